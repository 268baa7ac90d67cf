"""From DATA, as a person names it, to a dataset of pictures and a split.

Does not know: networks that learn, Keras; nothing of the user's is changed, moved or deleted here.
"""

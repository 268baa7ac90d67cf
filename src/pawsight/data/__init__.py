"""Enters: DATA, as a person names it. Leaves: a `Source`, then a `Catalog` of its pictures, then a `Split` of those.

Does not know: networks that learn, Keras; nothing of the user's is changed, moved or deleted here.
"""

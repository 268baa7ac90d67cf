"""Probabilities and truths in, numbers with intervals out.

Knows nothing of Keras, training or where pictures lie.
"""

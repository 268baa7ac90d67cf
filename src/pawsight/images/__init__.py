"""Bytes in, uint8 arrays out: the one decoder, the loader that runs it in threads, fingerprints of what was seen.

Knows nothing of labels, models or Keras.
"""

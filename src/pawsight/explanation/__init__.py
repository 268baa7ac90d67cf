"""Where a classifier looked: a heat map for one picture and one class, and the picture with the map on it.

Enters: a `Predictor` and decoded pixels. Leaves: a `HeatMap`, the bytes of a PNG. Does not know: files, training.
"""

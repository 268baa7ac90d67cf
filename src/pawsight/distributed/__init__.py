"""The same predictor over very many pictures: lists of any length in, Parquet parts out, in this process or under Ray.

Enters: a bundle, names of places, a folder for what comes out. Leaves: one row a picture, exactly once. Does not know:
training, how it was typed.
"""

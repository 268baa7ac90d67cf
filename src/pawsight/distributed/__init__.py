"""Prediction and feature extraction over any number of pictures: lists and URLs in, Parquet parts out; also on Ray."""

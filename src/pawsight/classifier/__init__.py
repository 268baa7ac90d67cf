"""A classifier on disk and in use: bundle, engine, predictor, and how far its answers can be trusted."""

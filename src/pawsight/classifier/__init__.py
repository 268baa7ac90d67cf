"""A classifier on disk and in use: the bundle and its checks, the engine that runs it, the predictor, trust in its answers."""

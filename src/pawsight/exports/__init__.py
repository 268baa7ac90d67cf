"""A bundle in other formats; each is verified in its own runtime before it is written."""

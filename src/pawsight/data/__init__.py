"""From what the user names as DATA to a dataset and its split; the user's files are only read, never changed."""

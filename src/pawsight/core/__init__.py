"""What every room needs and what knows no room: errors, storage, cache, machine, run folders, progress, terminal."""

"""What every room uses: errors, storage, cache, machine, run folders, progress, threads, subprocesses, text."""

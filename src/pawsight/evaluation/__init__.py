"""Numbers from arrays: metrics, intervals, tests, slices. What reads run folders and draws pages is in `reports`."""

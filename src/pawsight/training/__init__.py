"""A recipe and a split in, a bundle in a run folder out.

Knows nothing of how well the bundle does: `evaluation` measures that.
"""

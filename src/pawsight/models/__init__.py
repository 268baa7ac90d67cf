"""What to train and what to stand on.

Enters: recipes and pretrained weights. Leaves: networks to train and backbones to run.
Does not know: pictures on disk, splits or runs.
"""

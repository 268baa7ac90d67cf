"""From pictures and a recipe to a bundle in a run folder. How good the bundle is, is measured in `evaluation`."""

"""Heat maps: where in a picture a classifier sees a class, computed exactly or by occlusion, and drawn."""

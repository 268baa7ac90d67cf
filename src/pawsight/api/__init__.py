"""What a Python user holds; the command line does the same through `commands`.

What is logged here goes to the logger `pawsight`, which stays silent until the host gives it or the root a handler.
"""

import logging

logging.getLogger("pawsight").addHandler(logging.NullHandler())

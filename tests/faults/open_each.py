"""Opens every bundle below a folder, each in a process forked for it, and says what came of it.

Enters: on the command line a folder of bundles. Leaves: on stdout a line of JSON for each: name, outcome (why it was
refused, "opened", or how the process ended), seconds, peak MiB. Does not know: what is right.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import decode_each

from pawsight.classifier.predictor import load_predictor
from pawsight.core.errors import PawsightError

decode_each.MOST_MIB = 8192  # OpenVINO reserves more than it uses


def opened(place: Path) -> dict[str, object]:
    """Open one bundle here and now, and ask it."""
    try:
        load_predictor(place)
    except PawsightError as error:
        return {"outcome": f"{type(error).__name__}: {error.why}"[:2000]}
    except BaseException as error:
        return {"outcome": f"raised {error!r}"[:300]}
    return {"outcome": "opened"}


if __name__ == "__main__":
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps(decode_each.in_own_process(folder, opened)), flush=True)

"""A program that uses Pawsight finds its process as it was: what the library does not touch, and what it puts back."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from .conftest import BACKBONE, BACKBONE_PX

# What a process shares among all that runs in it. Modules that Pawsight needs are imported first: what Matplotlib or
# scikit-learn sets when it is loaded is their own.
STATE = """
import faulthandler, gc, locale, logging, os, random, signal, socket, sys, tempfile, threading, time, warnings
import numpy, PIL.Image, PIL.ImageFile

def state():
    signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
    rc = sys.modules["matplotlib"].rcParams if "matplotlib" in sys.modules else {}
    return {
        "warning filters": list(warnings.filters),
        "showwarning": (warnings.showwarning, warnings.formatwarning),
        "signal handlers": signals,
        "signal mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "blocked modules": [name for name, module in sys.modules.items() if module is None],
        "lost modules": [name for name in known if name not in sys.modules],
        "paths": sys.path[:],
        "import system": (sys.meta_path[:], sys.path_hooks[:], sys.dont_write_bytecode),
        "descriptors": [(os.fstat(number).st_dev, os.fstat(number).st_ino) for number in range(3)],
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "garbage collector": (gc.isenabled(), gc.get_freeze_count(), gc.get_threshold(), gc.callbacks[:]),
        "environment": dict(os.environ),
        "numpy": (numpy.geterr(), numpy.geterrcall(), numpy.get_printoptions()),
        "numpy random": str(numpy.random.get_state()),
        "random": random.getstate(),
        "pillow": (PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES, PIL.ImageFile.MAXBLOCK),
        "logging": (logging.root.level, logging.root.handlers[:], logging.root.manager.disable, logging.lastResort),
        "loggers": {name: (one.level, one.handlers[:], one.disabled) for name, one in loggers.items()},
        "locale": locale.setlocale(locale.LC_ALL),
        "time zone": time.tzname,
        "folder": (os.getcwd(), tempfile.gettempdir(), tempfile.tempdir),
        "umask": (mask := os.umask(0o22), os.umask(mask))[0],
        "hooks": (sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook, sys.breakpointhook),
        "tracing": (sys.gettrace(), sys.getprofile(), threading.gettrace(), faulthandler.is_enabled()),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval(), sys.get_int_max_str_digits()),
        "sockets": socket.getdefaulttimeout(),
        "threads": [thread for thread in threads if not thread.is_alive()],
        "matplotlib": dict(rc),
        "affinity": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
    }

loggers = {name: one for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)}
known, threads, before = list(sys.modules), threading.enumerate(), None

def changed():
    after = state()
    return {name: [str(before[name]), str(after[name])] for name in before if before[name] != after[name]}
"""

USE = """
import json, pathlib
import matplotlib, onnx, openvino, scipy.stats, sklearn.linear_model, sqlite3
known, before = list(sys.modules), state()
data, backbone, px, runs = sys.argv[1:]
import pawsight
told = {"import": changed()}
run = pawsight.train(data, backbone=backbone, image_px=int(px), out=runs).path
told["train"] = changed()
pictures = sorted(pathlib.Path(data, "validation").rglob("*.jpg"))
answers = pawsight.load(run).answers([*pictures, pathlib.Path(runs, "missing.jpg")])
with pawsight.load(run) as classifier:
    classifier.predict([pictures[0].read_bytes(), numpy.zeros((40, 60, 3), numpy.uint8), PIL.Image.new("L", (9, 9)), None])
    classifier.explain(pictures[0])
    classifier.answers(pictures)._repr_html_()
told["predict"] = changed()
pawsight.evaluate(run, data)
told["evaluate"] = changed()
list(pawsight.explain(run, pictures[:1], out=pathlib.Path(runs, "explained")))
told["explain"] = changed()
pawsight.embed(data, run=run, out=pathlib.Path(runs, "features.npz"))
pawsight.inspect(data)
pawsight.preview(data, out=pathlib.Path(runs, "preview"))
list(pawsight.label(data, run=run, out=pathlib.Path(runs, "labels.csv")).rows())
pawsight.report([run])
told["the rest"] = changed()
sys.stdout.write(json.dumps([told, len(answers)]))
"""


def run_in_a_host(code, *words):
    """Run Python; OpenVINO's telemetry, which asks for this variable, stays off where the host imports it itself."""
    environment = os.environ | {"CI": "true"}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_a_process_is_after_all_verbs_as_it_was_before(warm, tmp_path):
    words = [str(warm.data), BACKBONE, str(BACKBONE_PX), str(tmp_path / "runs")]
    done = run_in_a_host(STATE + USE, *words)
    told, answers = json.loads(done.stdout)
    assert [(verb, name, *values) for verb, names in told.items() for name, values in names.items()] == []
    assert answers == 21
    assert done.stderr == ""


OWN_PICTURES = """
import io, sys
from PIL import Image
import pawsight
pawsight.load(sys.argv[1])
file = io.BytesIO()
Image.new("1", (10_000, 10_000)).save(file, "PNG")
print(Image.open(file).size)
"""


def test_a_large_picture_of_its_own_is_opened_with_no_more_than_pillows_warning(colour_bundle):
    done = run_in_a_host(OWN_PICTURES, str(colour_bundle))
    assert done.stdout == "(10000, 10000)\n"
    assert "DecompressionBombWarning" in done.stderr

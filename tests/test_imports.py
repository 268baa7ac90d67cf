"""What is loaded when: help is light, and who uses a bundle never meets TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache

import pytest
from PIL import Image

HEAVY = {"numpy", "PIL", "openvino", "tensorflow", "keras", "sklearn", "scipy", "rich", "onnx", "matplotlib", "sqlite3"}
TRAINING = {"tensorflow", "keras", "tf2onnx", "onnx", "torch", "jax"}
ASK = """
import json, sys
from pawsight.cli import main
sys.argv[0] = "pawsight"
try:
    main()
except SystemExit as end:
    status = end.code or 0
print(json.dumps({"status": status, "loaded": sorted({name.partition(".")[0] for name, module in sys.modules.items() if module})}), file=sys.stderr)
"""


def loaded_by(*words):
    """Type a command in a process of its own and return the top names of all modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *map(str, words)], capture_output=True, text=True, timeout=120, check=True
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["status"] == 0, done.stderr
    return set(told["loaded"]) - loaded_by_python_alone()


@cache
def loaded_by_python_alone():
    """Return what is there before a command begins: more than usual where the tests are watched for their coverage."""
    code = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "--help"], ["predict", "--help"]])
def test_help_loads_nothing_heavy(words):
    assert loaded_by(*words) & HEAVY == set()


def test_predicting_loads_neither_tensorflow_nor_anything_else_it_does_not_need(colour_bundle, tmp_path):
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "red.png")
    loaded = loaded_by("predict", colour_bundle, tmp_path / "red.png")
    assert {"openvino", "numpy", "PIL"} <= loaded
    assert loaded & (TRAINING | {"sklearn", "scipy", "matplotlib", "imagehash", "rich", "sqlite3"}) == set()


def test_evaluating_never_loads_what_trains(trained):
    assert loaded_by("evaluate", trained.report.run) & TRAINING == set()


def test_inspecting_never_loads_a_model_runner(trained):
    assert loaded_by("inspect", trained.data) & (TRAINING | {"openvino", "sklearn"}) == set()


def test_training_with_the_backbone_in_the_cache_never_loads_keras(warm, tmp_path):
    loaded = loaded_by(*warm.typed(warm.data, tmp_path / "runs", "--quiet", "--depth", "auto"))
    assert loaded & {"tensorflow", "keras", "tf2onnx", "torch"} == set()


def test_opening_a_bundle_from_python_never_loads_what_trains(colour_bundle):
    code = f"import pawsight, sys; pawsight.load({str(colour_bundle)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert set(done.stdout.split()) & (TRAINING | {"sklearn"}) == set()


def test_the_command_line_takes_openvino_without_its_front_end_for_tensorflow(colour_bundle, tmp_path):
    """Somebody who looks for TensorFlow in the import times must find nothing, not even a front end."""
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "red.png")
    code = f"import sys; from pawsight.cli import main; sys.argv = ['', 'predict', {str(colour_bundle)!r}, 'red.png']\n"
    code += "try: main()\nfinally: print([name for name in sys.modules if 'tensorflow' in name])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_from_python_openvino_reports_to_nobody_and_writes_nothing(tmp_path):
    code = (
        "import os; from pawsight.classifier.engine import openvino_core; openvino_core(); print(os.environ.get('CI'))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    environment["HOME"] = str(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
    assert list(tmp_path.iterdir()) == []


# What POSIX systems have and Windows has not, as far as it could be used while a module is imported.
AS_ON_WINDOWS = """
import importlib, os, pkgutil, signal, sys
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
for module, names in (
    (signal, ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "alarm", "pthread_sigmask", "setitimer")),
    (os, ("O_NONBLOCK", "fork", "getuid", "geteuid", "killpg", "mkfifo", "pread", "sched_getaffinity", "setsid",
          "statvfs", "sysconf")),
):
    for name in names:
        vars(module).pop(name, None)
import pawsight
for module in pkgutil.walk_packages(pawsight.__path__, "pawsight."):
    if ".subprocesses." in module.name or module.name.endswith("__main__"):  # programs
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if "halted" in str(error):  # by the lines above; what else is missing is an extra
            print(module.name, error)
    except AttributeError as error:
        print(module.name, error)
"""


def test_every_module_is_imported_without_what_posix_systems_alone_have():
    done = subprocess.run([sys.executable, "-c", AS_ON_WINDOWS], capture_output=True, text=True, check=True)
    assert done.stdout == ""

"""What the command line does to its own process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from pawsight.cli import process
from pawsight.cli.process import return_large_blocks


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_the_c_library_is_told_where_it_listens(system, monkeypatch):
    told = []
    library = SimpleNamespace(mallopt=lambda option, _: told.append(option))
    monkeypatch.setattr("ctypes.CDLL", lambda _: library)
    monkeypatch.setattr(sys, "platform", system)
    return_large_blocks()
    assert len(told) == (2 if system == "linux" else 0)
    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace())  # a C library of another kind
    return_large_blocks()


NOISY = """
import os, sys
from pawsight.cli.process import quiet_libraries
try:
    with quiet_libraries():
        print("a worker died")
        os.write(2, b"I0000 00:00:1795945039.447940 1 port.cc:153] oneDNN custom operations are on.\\n")
        os.write(2, b"[2026-11-29 09:47:36,146 I 308 308] logging.cc:303: Set ray log level\\n")
        os.write(2, b"F0000 00:00:1795945039.447940 1 cpu.cc:1] this processor is too old\\n")
        print("progress", file=sys.stderr)
        raise KeyError
except KeyError:
    print("answer")
    os.write(2, b"I0000 00:00:1795945039.447940 later\\n")
"""


def test_notes_of_libraries_are_held_back_and_complaints_passed_on():
    done = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, check=True)
    assert done.stdout == "answer\n"
    first, second, third = done.stderr.splitlines()
    assert first == "progress"
    assert second.startswith("F0000")
    assert third.endswith("later")


def test_on_a_full_disk_notes_are_shown_and_work_goes_on(monkeypatch, capfd):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(process.tempfile, "TemporaryFile", full)
    with process.quiet_libraries():
        os.write(2, b"I0000 00:00:1795945039.447940 1 port.cc:153] a note\n")
    assert "a note" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a shell that closes descriptors")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_closed_are_open_for_workers_too(tmp_path, closed):
    code = "import os, pathlib\nfrom pawsight.cli.process import own_process\nwith own_process():\n"
    code += "    pathlib.Path('said').write_text(str([os.get_inheritable(number) for number in (0, 1, 2)]))"
    done = subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "said").read_text() == "[True, True, True]"


def test_nothing_is_said_of_broken_metadata(colour_bundle, tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03\0\0\0\x01"
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "red.jpg", exif=exif)
    command = [sys.executable, "-W", "default", "-m", "pawsight", "predict", str(colour_bundle), "red.jpg"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("red.jpg: red ")
    assert done.stderr == ""


def test_a_letter_that_the_charts_font_lacks_is_no_warning_there(tmp_path):
    code = "from pawsight.cli.process import own_process\nwith own_process():\n    import warnings\n"
    code += "    warnings.warn('Glyph 29483 missing from font')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_users_settings_of_libraries_stay(monkeypatch):
    code = "import os\nfrom pawsight.cli.process import own_process\nwith own_process():\n"
    code += "    print(os.environ['TF_CPP_MIN_LOG_LEVEL'], os.environ['KERAS_BACKEND'])"
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", process.QUIET_SETTINGS["KERAS_BACKEND"]]


def test_letters_that_a_pipe_cannot_carry_are_escaped(tmp_path):
    """A pipe on Windows has the letters of its code page alone."""
    for name in ("\u732b", "dog"):
        (tmp_path / name).mkdir()
        for shade in range(4):
            Image.new("L", (20, 20), 60 * shade).save(tmp_path / name / f"{shade}.png")
    command = [sys.executable, "-m", "pawsight", "inspect", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="cp1252", check=False)
    assert "\\u732b" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("whole", "written"), [(True, "one\n"), (False, "one\nthree\n")], ids=["answer", "log"])
def test_an_answer_has_no_hole_and_a_log_goes_on_when_there_is_room_again(whole, written):
    class Disk(io.BytesIO):
        full = False

        def write(self, data):
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(data)

    disk = Disk()
    stream = process.sheltered(io.TextIOWrapper(disk, encoding="utf-8"), whole=whole)
    for line, disk.full in (("one", False), ("two", True), ("three", False)):
        print(line, file=stream)
    assert disk.getvalue().decode() == written
    assert process.refusal_of(stream).errno == 28

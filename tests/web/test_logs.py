from __future__ import annotations

import io
import json

import pytest

from pawsight.web.logs import Log


@pytest.mark.parametrize("quiet", [False, True])
def test_what_goes_as_it_should_is_left_out_where_quiet_is_wanted(quiet):
    out = io.StringIO()
    log = Log(out, quiet=quiet)
    for event in ("serving", "request", "failed", "stopping", "decoder"):
        log.write(event)
    written = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert written == (["failed", "decoder"] if quiet else ["serving", "request", "failed", "stopping", "decoder"])


def test_a_name_cannot_begin_a_line_of_its_own():
    out = io.StringIO()
    Log(out).write("request", name="a\n\u2028\x1b[2Jb")
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue())["name"] == "a\n\u2028\x1b[2Jb"


def test_what_cannot_be_written_harms_nobody():
    class FullDisk(io.StringIO):
        full = True

        def write(self, text):
            if self.full:
                raise OSError("no space left on device")
            return super().write(text)

    out = FullDisk()
    log = Log(out)
    log.write("request")
    assert out.getvalue() == ""
    out.full = False
    log.write("serving")
    assert json.loads(out.getvalue())["event"] == "serving"

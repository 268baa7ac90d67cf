from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from pawsight.web.server import log_json_lines, log_plain_lines


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(logging.root, "handlers", [])
    loggers = [logging.getLogger(name) for name in ("pawsight.serve", "python_multipart")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_what_goes_as_it_should_is_left_out_where_warnings_alone_are_wanted():
    for level, wanted in ((logging.INFO, ["request", "decoder"]), (logging.WARNING, ["decoder"])):
        logging.root.handlers, out = [], io.StringIO()
        log_json_lines(level, out)
        logging.getLogger("pawsight.serve").info("request", extra={"status": 200})
        logging.getLogger("pawsight.serve").warning("decoder")
        assert [line["event"] for line in lines(out)] == wanted


def test_a_line_says_when_who_what_and_what_the_event_adds():
    out = io.StringIO()
    log_json_lines(logging.INFO, out)
    logging.getLogger("pawsight.serve").info("request", extra={"status": 200, "ms": 1.5})
    (line,) = lines(out)
    assert abs(datetime.fromisoformat(line.pop("time")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert line == {"level": "INFO", "name": "pawsight.serve", "event": "request", "status": 200, "ms": 1.5}


def test_a_text_cannot_begin_a_line_of_its_own():
    out = io.StringIO()
    log_json_lines(logging.INFO, out)
    logging.getLogger("pawsight.serve").info("request", extra={"said": "a\n\u2028\x1b[2Jb"})
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().isascii()
    assert "\x1b" not in out.getvalue()
    assert lines(out)[0]["said"] == "a\n\u2028\x1b[2Jb"


def test_libraries_are_heard_from_warnings_on_and_an_exception_by_its_type_alone():
    out = io.StringIO()
    log_json_lines(logging.INFO, out)
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("python_multipart").warning("the name of a picture")
    try:
        raise ValueError("the name of a picture")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    (line,) = lines(out)
    assert (line["name"], line["level"], line["error"]) == ("asyncio", "ERROR", "ValueError")
    assert "picture" not in out.getvalue()


@pytest.mark.parametrize("trouble", [OSError("no space left on device"), ValueError("I/O operation on closed file")])
def test_what_cannot_be_written_harms_nobody(trouble, capsys):
    class Broken(io.StringIO):
        broken = True

        def write(self, text):
            if self.broken:
                raise trouble
            return super().write(text)

    out = Broken()
    log_json_lines(logging.INFO, out)
    logging.getLogger("pawsight.serve").info("request")
    out.broken = False
    logging.getLogger("pawsight.serve").info("serving")
    assert [line["event"] for line in lines(out)] == ["serving"]
    assert capsys.readouterr() == ("", "")


def test_a_person_reads_plain_lines():
    out = io.StringIO()
    log_plain_lines(logging.INFO, out)
    logger = logging.getLogger("pawsight.serve")
    answered = {"id": "ab", "method": "POST", "route": "/api/v1/predict", "status": 200, "pictures": 4, "ms": 671.7}
    logger.info("request", extra=answered)
    logger.info("serving", extra={"split": "a\n\x1b[2Jb"})
    first, second = out.getvalue().splitlines()
    assert first.split(" ", 1)[1] == "POST /api/v1/predict 200, 4\u00a0pictures, 672 ms".replace("\u00a0", " ")
    assert second.split(" ", 1)[1].startswith("serving split=a")
    assert "\x1b" not in second

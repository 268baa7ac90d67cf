from __future__ import annotations

import threading
from types import SimpleNamespace

from pawsight.web.loopback import _tell


def test_a_server_that_gives_up_before_it_listens_tells_no_address():
    told = []
    _tell(SimpleNamespace(started=False, should_exit=True), told.append, "http://127.0.0.1:1/secret/", None)
    assert told == []


def test_without_anybody_to_stop_it_a_server_is_told_of_and_left_alone():
    told, server = [], SimpleNamespace(started=True, should_exit=False)
    _tell(server, told.append, "http://127.0.0.1:1/secret/", None)
    assert told == ["http://127.0.0.1:1/secret/"]
    assert not server.should_exit


def test_a_server_ends_when_it_is_asked_to():
    stop, server = threading.Event(), SimpleNamespace(started=True, should_exit=False)
    stop.set()
    _tell(server, lambda address: None, "http://127.0.0.1:1/secret/", stop)
    assert server.should_exit

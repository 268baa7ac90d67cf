"""Row 7: whatever a server does, the final name never holds wrong bytes, it ends in time, and the next try recovers."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pawsight.core.errors import DownloadFailed
from pawsight.data.archive import check_archive
from pawsight.data.download import DownloadLimits, download

LIMITS = DownloadLimits(silence_seconds=0.4, total_seconds=1.5, first_wait_seconds=0.01, tries=2)
PATIENT = DownloadLimits(first_wait_seconds=0.01)


@pytest.fixture(scope="module")
def body():
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as whole:
        whole.writestr("cats/1.jpg", os.urandom(20_000))
    return out.getvalue()


@pytest.fixture
def site():
    place = Path(__file__).parents[1] / "data" / "http_server.py"
    spec = importlib.util.spec_from_file_location("pawsight_tests_http_server_of_faults", place)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look themselves up
    spec.loader.exec_module(module)
    with module.running_site() as running:
        yield running


def sent(talk, body, *, status=200, length=None, **headers):
    talk.start(status, content_length=len(body) if length is None else length, **headers)
    talk.write(body)


FAULTS = {
    "cut": lambda talk, body: sent(talk, body[: len(body) // 2], length=len(body)),
    "cut after the head": lambda talk, body: talk.start(200, content_length=len(body)),
    "stalled before the head": lambda talk, body: talk.stall(),
    "stalled in the middle": lambda talk, body: (sent(talk, body[:900], length=len(body)), talk.stall()),
    "dripping": lambda talk, body: (talk.start(200, content_length=10**6), talk.drip(b"x")),
    "too short for its length": lambda talk, body: sent(talk, body[:-1], length=len(body)),
    "wrong bytes of the right length": lambda talk, body: sent(talk, body[:-9] + b"wrong end"),
    "wrong bytes": lambda talk, body: sent(talk, b"x" * 500),
    "a page with status 200": lambda talk, body: sent(talk, b"<!doctype html><title>Sign in</title>"),
    "nothing": lambda talk, body: sent(talk, b""),
    "to a file": lambda talk, body: talk.start(302, location="file:///etc/passwd", content_length=0),
    "to ftp": lambda talk, body: talk.start(302, location="ftp://127.0.0.1/pets.zip", content_length=0),
    "to data": lambda talk, body: talk.start(302, location="data:text/plain,x", content_length=0),
    "to itself": lambda talk, body: talk.start(302, location="/pets.zip", content_length=0),
    "to nowhere": lambda talk, body: talk.start(302, location="http://", content_length=0),
    "an error": lambda talk, body: sent(talk, b"oops", status=500),
    "no HTTP": lambda talk, body: talk.write(b"SSH-2.0-OpenSSH\r\n"),
}


@pytest.mark.parametrize(
    ("fault", "hashed"),
    [  # wrong bytes of the right length are told by their hash alone
        pytest.param(fault, hashed, id=f"{fault}, {'hash known' if hashed else 'no hash'}")
        for fault in FAULTS
        for hashed in (True, False)
        if hashed or fault != "wrong bytes of the right length"
    ],
)
def test_the_final_name_never_holds_wrong_bytes_and_the_next_try_recovers(site, body, tmp_path, fault, hashed):
    target, wrong = tmp_path / "pets.zip", [True]

    def answer(talk):
        FAULTS[fault](talk, body) if wrong[0] else sent(talk, body)

    url = site.page("/pets.zip", answer)
    options = {"sha256": hashlib.sha256(body).hexdigest()} if hashed else {"check": check_archive}
    began = time.monotonic()
    with pytest.raises(DownloadFailed) as error:
        download(url, target, limits=LIMITS, **options)
    assert time.monotonic() - began < 8
    assert not target.exists()
    assert url in error.value.what
    wrong[0] = False
    download(url, target, limits=PATIENT, **options)
    assert target.read_bytes() == body


def test_a_process_killed_while_it_downloads_leaves_nothing_under_the_name_and_the_next_goes_on(site, body, tmp_path):
    target, first = tmp_path / "pets.zip", [True]

    def answer(talk):
        if first[0]:
            sent(talk, body[:9000], length=len(body))
            talk.stall()
        else:
            sent(talk, body)

    url = site.page("/pets.zip", answer)
    code = "import sys; from pathlib import Path; from pawsight.data.download import download; download(sys.argv[1], Path(sys.argv[2]))"
    child = subprocess.Popen([sys.executable, "-c", code, url, str(target)])
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size for file in tmp_path.glob(".*.zip.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not target.exists()
    first[0] = False
    download(url, target, limits=PATIENT, sha256=hashlib.sha256(body).hexdigest())
    assert target.read_bytes() == body
    assert [file.name for file in tmp_path.iterdir() if not file.name.endswith(".lock")] == ["pets.zip"]

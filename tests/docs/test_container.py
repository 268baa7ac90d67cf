"""The Dockerfile keeps the rules of a careful one, and its pip steps give a service without TensorFlow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def steps():
    """(instruction, rest) of each step, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def rests(steps, name):
    return [rest for instruction, rest in steps if instruction == name]


def test_the_base_is_pinned_by_a_tag_that_names_python_and_debian(steps):
    assert steps[0][0] == "FROM"
    assert all(re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base) for base in rests(steps, "FROM"))


def test_it_does_not_run_as_root_and_nothing_runs_as_root_after_that(steps):
    instructions = [name for name, _ in steps]
    assert rests(steps, "USER")[-1].split(":")[0] not in {"root", "0"}
    assert "RUN" not in instructions[instructions.index("USER") :]


def test_nothing_is_fetched_but_by_pip_and_no_secret_is_baked_in(steps):
    assert not rests(steps, "ADD")
    assert not [run for run in rests(steps, "RUN") if re.search(r"curl|wget|https?://|sudo|chmod 777", run)]
    assert not [
        rest for name, rest in steps if name in {"ENV", "ARG"} and re.search(r"token|secret|passw|key", rest, re.I)
    ]
    assert all("--no-cache-dir" in run for run in rests(steps, "RUN") if "pip install" in run)


def test_its_health_is_asked_of_readyz_without_a_shell(steps):
    (check,) = rests(steps, "HEALTHCHECK")
    words = json.loads(check.partition("CMD ")[2])
    assert "/readyz" in words[-1]
    compile(words[-1], "check", "exec")


def test_it_starts_the_service_without_a_shell_so_that_signals_arrive(steps):
    assert json.loads(rests(steps, "CMD")[0])[:2] == ["pawsight", "serve"]
    assert rests(steps, "STOPSIGNAL") == ["SIGTERM"]


def test_only_what_is_copied_is_sent_to_the_builder(steps):
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {word for rest in rests(steps, "COPY") for word in rest.split()[:-1]}
    assert "*" in ignored
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_caches_are_pointed_at_the_one_place_that_can_be_written_to(steps):
    told = " ".join(rests(steps, "ENV"))
    assert "PAWSIGHT_CACHE=/tmp/" in told
    assert "PYTHONDONTWRITEBYTECODE=1" in told


@pytest.mark.slow
def test_the_same_pip_steps_give_a_service_without_tensorflow(steps, tmp_path, colour_bundle):
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    (install,) = [run for run in rests(steps, "RUN") if "pip install" in run]
    words = install.partition("pip ")[2].partition("&&")[0].replace("/build[serve]", f"{ROOT}[serve]")
    words = words.replace("/build/", f"{ROOT}/").replace('"', "").split()
    subprocess.run([python, "-m", "pip", *words], check=True, timeout=900, capture_output=True)
    asked = subprocess.run(
        [python, "-c", "import importlib.util as u; print(*[n for n in ('tensorflow', 'keras', 'torch') if u.find_spec(n)])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert asked.stdout.split() == []
    service = subprocess.Popen(
        [python.with_name("pawsight"), "serve", str(colour_bundle), "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        url = json.loads(service.stdout.readline())["url"]
        check = json.loads(rests(steps, "HEALTHCHECK")[0].partition("CMD ")[2])[-1].replace(
            "http://127.0.0.1:8000/", url
        )
        patient = f"import time\nfor n in range(100):\n  try:\n    {check}; break\n  except OSError: time.sleep(0.2)\nelse: 1/0"
        subprocess.run([sys.executable, "-c", patient], check=True, timeout=60)
        assert urllib.request.urlopen(f"{url}docs", timeout=10).status == 200
    finally:
        service.terminate()
        assert service.wait(35) == 0
        service.stdout.close()

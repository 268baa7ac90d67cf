"""Fixtures for the tests of evaluation: the maker of made-up run folders."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def fake_runs() -> Any:
    """The module `fake_runs.py` beside this file."""
    spec = importlib.util.spec_from_file_location("pawsight_tests_fake_runs", Path(__file__).with_name("fake_runs.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

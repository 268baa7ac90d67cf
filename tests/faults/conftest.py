"""Fixtures of the faults: the folder of hostile pictures, written once, and the modules beside this file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # the generators of hostile files are modules of their own here


@pytest.fixture(scope="session")
def light(tmp_path_factory):
    """(folder, pictures): the hostile pictures that take less than a second and 200 MiB. Read, never write."""
    from hostile_pictures import write_to

    folder = tmp_path_factory.mktemp("hostile") / "light"
    return folder, write_to(folder, heavy=False)


@pytest.fixture(scope="session")
def serving():
    """The module serving.py of the tests of the service."""
    place = Path(__file__).parents[1] / "web" / "serving.py"
    spec = importlib.util.spec_from_file_location("pawsight_tests_serving", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

from __future__ import annotations

from PIL import Image

from pawsight.core.cache import Cache
from pawsight.core.progress import SILENT
from pawsight.data.facts_of_files import facts_of_files
from pawsight.data.finder import Candidate


def test_files_that_are_no_pictures_have_no_facts(tmp_path):
    Image.new("RGB", (30, 20), "white").save(tmp_path / "white.png")
    (tmp_path / "text.png").write_text("no picture")
    files = [Candidate(tmp_path / name, name, "cats", None) for name in ("text.png", "white.png", "gone.png")]
    with Cache(tmp_path / "cache") as cache:
        facts = facts_of_files(files, cache=cache, threads=2, progress=SILENT)
    assert list(facts) == ["white.png"]
    assert (facts["white.png"].width, facts["white.png"].height) == (30, 20)

"""The start page and the browser export in Firefox, where it is: what both engines must do alike."""

from __future__ import annotations

import pytest

from pawsight.commands.export import export

from ..exports import browser
from ..firefox import Firefox


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    browser_of_mozilla = Firefox(tmp_path_factory.mktemp("firefox"))
    yield browser_of_mozilla
    browser_of_mozilla.close()


@pytest.fixture(scope="module")
def colours(serving, tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    paths = [folder / f"{name}.png" for name in ("red", "green", "blue")]
    for path in paths:
        path.write_bytes(serving.picture(path.stem))
    return paths


def answered(firefox, number: int) -> list[str]:
    """What so many cards say, in the order of their names."""
    firefox.until(lambda: len(firefox.texts(".card:not(.waiting)")) == number)
    firefox.run(
        "(document.getElementById('sort').value = 'name', document.getElementById('sort').dispatchEvent(new Event('change')))"
    )
    return [text.split()[0] for text in firefox.texts("#gallery h3")]


def test_the_start_page_answers_shows_a_heat_map_and_undoes(firefox, process, colours, tmp_path):
    firefox.open(f"http://127.0.0.1:{process.port}/")
    firefox.until(lambda: "px" in firefox.texts("#about")[0])
    (tmp_path / "no.jpg").write_bytes(b"no picture")
    firefox.choose("#files", *colours, tmp_path / "no.jpg")
    assert answered(firefox, 4) == ["blue", "green", "red"]
    assert len(firefox.texts("#failed .card")) == 1
    firefox.click("#gallery .picture")
    firefox.click("#heat")
    firefox.until(lambda: firefox.run("document.querySelector('.map')?.naturalWidth"))
    firefox.click("#lightbox-close")
    firefox.click("#clear")
    assert firefox.texts(".card") == []
    firefox.click("#undo")
    assert len(firefox.texts(".card")) == 4


def test_the_exported_page_answers_and_opens_again_without_its_host(firefox, colour_bundle, colours, tmp_path):
    export(colour_bundle, "web", out=tmp_path, browser_runtime=browser.runtime())
    with browser.Host(tmp_path) as host:
        firefox.open(f"{host.address}web/")
        firefox.until(lambda: "px" in firefox.texts("#about")[0])
        firefox.choose("#files", *colours)
        assert answered(firefox, 3) == ["blue", "green", "red"]
        firefox.click("#gallery .picture")
        firefox.click("#heat")
        firefox.until(lambda: firefox.run("document.querySelector('.map')?.naturalWidth"))
        assert firefox.run("fetch('pawsight.json').then(() => true, () => false)") is False
    firefox.open(f"{host.address}web/")
    firefox.until(lambda: "px" in firefox.texts("#about")[0])
    firefox.choose("#files", colours[0])
    assert answered(firefox, 1) == ["red"]

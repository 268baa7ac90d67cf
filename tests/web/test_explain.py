"""POST /api/v1/explain: one picture in, its heat map out as a PNG, everything else a problem document."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def client(make_client):
    with make_client() as one:
        yield one


@pytest.fixture(scope="module")
def corner():
    """A PNG of 80 x 40 that is red at its top right and grey elsewhere."""
    pixels = np.full((40, 80, 3), 120, np.uint8)
    pixels[:20, 40:] = (250, 5, 5)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def post(client, data, query="", kind="image/png"):
    return client.post(f"/api/v1/explain{query}", content=data, headers={"content-type": kind})


def drawn(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"), np.int64)


def test_the_heat_lies_where_the_class_was_seen_and_the_picture_keeps_its_shape(client, corner):
    pixels = drawn(post(client, corner))
    assert pixels.shape == (160, 320, 3)
    colourful = np.ptp(pixels, axis=2)
    assert colourful[:70, 180:].mean() > 40
    assert colourful[100:, :150].max() == 0


def test_another_class_may_be_named(client, corner):
    colourful = np.ptp(drawn(post(client, corner, "?class=blue")), axis=2)
    assert colourful[:60, 190:].max() == 0


def test_it_is_what_the_command_line_draws(client, corner, colour_bundle, tmp_path):
    from pawsight.commands.explain import explain

    (tmp_path / "corner.png").write_bytes(corner)
    (one,) = explain(colour_bundle, [tmp_path / "corner.png"], out=tmp_path / "out")
    assert post(client, corner).content == Path(one.file).read_bytes()


def test_a_form_may_hold_the_picture(client, serving, corner):
    body, kind = serving.form(("corner.png", corner))
    assert drawn(post(client, body, kind=kind)).shape == (160, 320, 3)


def test_two_pictures_at_once_are_refused(client, serving, corner):
    body, kind = serving.form(("a.png", corner), ("b.png", corner))
    answer = post(client, body, kind=kind)
    assert answer.status_code == 400
    assert answer.json()["type"].endswith(":bad-request")
    assert "one picture" in answer.json()["detail"]


def test_an_unknown_class_is_refused_with_those_that_are_known(client, corner):
    answer = post(client, corner, "?class=cow")
    assert answer.status_code == 400
    assert all(name in answer.json()["detail"] for name in ("cow", "red", "green", "blue"))


@pytest.mark.parametrize(("end", "reason"), [(0, "empty"), (100, "truncated")])
def test_what_cannot_be_read_is_refused_with_the_reason(client, corner, end, reason):
    answer = post(client, corner[:end])
    assert answer.status_code == 422
    assert answer.json()["reason"] == reason


def test_the_model_says_that_there_are_heat_maps(client):
    assert client.get("/api/v1/model").json()["heat_maps"] is True


def test_nothing_is_left_counted_as_waiting_afterwards(client, corner):
    for query in ("", "?class=cow"):
        post(client, corner, query)
    post(client, b"x")
    assert "pawsight_queue_pictures 0.0" in client.get("/metrics").text


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_thumbnail_is_the_picture_with_its_own_proportions(client, corner, kind):
    file = io.BytesIO()
    Image.open(io.BytesIO(corner)).save(file, kind)
    answer = client.post(
        "/api/v1/thumbnail", content=file.getvalue(), headers={"content-type": f"image/{kind.lower()}"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("JPEG", (320, 160))
        pixels = np.asarray(image.convert("RGB"), np.int64)
    assert abs(pixels[40, 240] - (250, 5, 5)).max() < 12
    assert abs(pixels[120, 80] - (120, 120, 120)).max() < 6


def test_what_is_no_picture_has_no_thumbnail(client):
    answer = client.post("/api/v1/thumbnail", content=b"milk", headers={"content-type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable-picture")

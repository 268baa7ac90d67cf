"""The pure part of `make bench`: values and aims, the table, results.json and back, the check by ratios, the picture."""

from __future__ import annotations

import importlib
import json
import re
import sys
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
NAMES = ("bench_figures", "bench", "bench_check", "bench_place", "picture", "rows_predict", "rows_train", "processes")


@pytest.fixture(scope="module")
def scripts():
    """The scripts by name; their folder is no package, and some of them share names with packages that others use."""
    before = set(sys.modules)
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPTS)):
                del sys.modules[name]


@pytest.fixture(scope="module")
def figures(scripts):
    return scripts["bench_figures"]


def figure(figures, kind, ours, peer=(), aim=1.0, name="predict/keras", **more):
    told = {"what": "predict 3,000 files", "beside": "Keras predict"} | more
    return figures.Figure(name=name, kind=kind, aim=aim, ours=tuple(ours), peer=tuple(peer), **told)


@pytest.mark.parametrize(
    ("kind", "ours", "peer", "aim", "value", "is_met"),
    [
        ("faster", (2, 3, 4), (30, 33, 24), 10, 10, True),
        ("faster", (2, 3, 4), (24, 24, 24), 10, 8, False),
        ("within", (12, 13, 30), (10, 10, 10), 1.35, 1.3, True),
        ("within", (14, 14, 14), (10, 10, 10), 1.35, 1.4, False),
        ("over", (1.0, 1.1, 9.0), (0.5, 0.6, 0.7), 0.6, 0.5, True),
        ("under", (2.9, 3.1, 3.3), (0.2, 0.2, 0.2), 3.0, 3.1, False),
        ("flat", (100, 104), (), 0.05, 0.04, True),
        ("flat", (100, 94), (), 0.05, 100 / 94 - 1, False),
        ("more", (0.99, 0.99), (0.97,), 0.0, 0.02, True),
        ("more", (0.97, 0.97), (0.97,), 0.0, 0.0, False),
    ],
)
def test_values_come_from_medians_and_are_held_against_the_aim(figures, kind, ours, peer, aim, value, is_met):
    one = figure(figures, kind, ours, peer, aim)
    assert one.value == pytest.approx(value)
    assert one.is_met is is_met


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.1, 100)), min_size=1, max_size=9))
def test_the_spread_is_that_of_rounds_with_the_peer_of_the_same_round(figures, pairs):
    ours, peer = zip(*pairs, strict=True)
    low, high = figure(figures, "within", ours, peer).spread
    each = [mine / other for mine, other in pairs]
    assert (low, high) == (min(each), max(each))


def test_a_peer_that_ran_in_fewer_rounds_lends_its_median_to_the_others(figures):
    assert figure(figures, "faster", (2.0, 4.0), (20.0,)).spread == (5.0, 10.0)


def test_the_table_says_what_beside_what_and_whether_it_is_met(figures):
    shown = figures.table(
        [
            figure(figures, "faster", (10.0, 12.0, 11.0), (44.0, 44.0, 55.0), aim=4, note="on two cores"),
            figure(
                figures,
                "flat",
                (250.0, 275.0),
                aim=0.05,
                name="sizes/memory",
                what="memory",
                beside="at 1,000 / 10,000",
            ),
        ]
    )
    lines = shown.splitlines()
    assert lines[0].split("  ")[0] == "what"
    assert "4.00 times" in lines[1]
    assert "3.67 to 5.00" in lines[1]
    assert "at least 4 times faster" in lines[1]
    assert lines[1].endswith("met")
    assert "10.0 %" in lines[2]
    assert lines[2].endswith("falls short")
    assert lines[3] == "  predict/keras: on two cores"


def test_results_come_back_as_they_were_written(figures, tmp_path):
    wrote = [figure(figures, "faster", (1.0, 2.0), (3.0, 4.0)), figure(figures, "flat", (1.0, 2.0), name="sizes/pace")]
    place = tmp_path / "results.json"
    figures.write(place, wrote, {"machine": "two cores", "date": "2026-11-22"})
    assert figures.read(place) == (wrote, {"machine": "two cores", "date": "2026-11-22"})
    first = json.loads(place.read_text())["rows"][0]
    assert (first["value"], first["met"], first["runs"]) == (pytest.approx(3.5 / 1.5), True, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_no_results_are_no_figures(figures, tmp_path):
    assert figures.read(tmp_path / "results.json") == ([], {})


def test_a_row_taken_again_replaces_itself_and_leaves_the_others(figures):
    old = [figure(figures, "under", (1.0,), name="a"), figure(figures, "under", (1.0,), name="b")]
    new = [figure(figures, "under", (2.0,), name="b"), figure(figures, "under", (3.0,), name="c")]
    assert [(item.name, item.value) for item in figures.merged(old, new)] == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


@pytest.mark.parametrize(("now", "is_slower"), [(1.20, False), (1.24, False), (1.26, True), (0.5, False)])
def test_the_check_allows_a_quarter_more_of_the_ratio_whatever_the_seconds(figures, now, is_slower):
    then = figure(figures, "faster", (10.0,), (40.0,))
    fresh = figure(figures, "faster", (10.0 * 7 * now,), (40.0 * 7,))
    (change,) = figures.changes([then], [fresh])
    assert change.is_slower is is_slower
    assert not change.why


def test_the_check_does_not_compare_what_was_measured_otherwise(figures, scripts):
    then = [
        figure(figures, "within", (1.0,), (1.0,), name="a", pictures=3000),
        figure(figures, "flat", (1.0,), name="b"),
    ]
    fresh = [
        figure(figures, "within", (9.0,), (1.0,), name="a", pictures=60, drawn=True),
        figure(figures, "flat", (9.0,), name="b"),
        figure(figures, "under", (9.0,), (1.0,), name="c"),
    ]
    found = figures.changes(then, fresh)
    assert [item.why for item in found] == [
        "measured on other pictures",
        "has no peer to be compared by",
        "not among the committed results",
    ]
    assert not any(item.is_slower for item in found)
    assert all("not compared" in scripts["bench_check"].line(item) for item in found)


def test_rows_and_durations_are_read_from_the_command_line(scripts):
    bench = scripts["bench"]
    assert bench.seconds_of("20m") == bench.seconds_of("20") == 1200
    assert (bench.seconds_of("90s"), bench.seconds_of("2h")) == (90, 7200)
    assert bench.names_of("train,import") == ["import", "train"]
    assert bench.names_of("epochs") == [name for name in bench.ROWS if name.startswith("epochs-")]
    with pytest.raises(ArgumentTypeError, match="no row trian"):
        bench.names_of("trian")
    with pytest.raises(ArgumentTypeError, match="no duration"):
        bench.seconds_of("soon")
    assert set(bench.rows_for(bench.parser().parse_args([]))) == set(bench.ROWS)


def test_no_row_begins_when_the_budget_is_spent(scripts, tmp_path, capsys):
    bench = scripts["bench"]
    asked = bench.parser().parse_args(["--rows", "import", "--results", str(tmp_path / "r")])
    asked.budget = -1.0
    assert bench.measure(asked, None, []) == []
    assert re.search("budget is spent: import .* left out", capsys.readouterr().out)


def test_sizes_are_cut_at_the_largest(scripts):
    sizes_up_to = scripts["rows_predict"].sizes_up_to
    assert sizes_up_to(100_000) == [1000, 10_000, 100_000]
    assert sizes_up_to(20_000) == [1000, 10_000, 20_000]


def test_hard_links_make_as_many_pictures_as_are_wanted(scripts, tmp_path):
    folder = tmp_path / "pictures" / "train"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(bytes([number]))
    place = scripts["bench_place"].Place(tmp_path / "pictures", tmp_path / "pictures", tmp_path, drawn=False)
    links = sorted(path for path in place.linked(1005).rglob("*.jpg"))
    assert len(links) == 1005
    assert {path.parent.name for path in links} == {"0000", "0001"}
    assert links[4].read_bytes() == b"\x01"


def test_a_process_that_fails_says_why(scripts):
    processes = scripts["processes"]
    with pytest.raises(SystemExit, match="ended with 3:\nno cat here"):
        processes.run(processes.python("import sys; print('no cat here', file=sys.stderr); sys.exit(3)"))
    ran = processes.run(processes.python("print(7)"))
    assert ran.out == "7\n"
    assert ran.cpu > 0
    assert ran.peak_mib > 1


def test_the_picture_is_drawn_the_same_twice_and_light(scripts, figures, tmp_path):
    rows = [
        figure(figures, "faster", (10.0, 11.0), (44.0, 55.0), aim=4),
        figure(figures, "flat", (250.0, 275.0), aim=0.05, name="sizes/memory", what="peak memory of predict, MiB"),
    ]
    about = {"machine": "two cores", "date": "2026-11-22T10:00:00+00:00"}
    targets = [tmp_path / name for name in ("a.png", "a.svg", "b.svg")]
    scripts["picture"].draw(rows, about, targets[:2])
    scripts["picture"].draw(rows, about, targets[2:])
    with Image.open(targets[0]) as image:
        assert image.width == 1600
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    drawn = targets[1].read_text()
    assert drawn == targets[2].read_text()
    for words in ("Keras predict", "4.71 times", "short", "met", "two cores", "2026-11-22"):
        assert words in drawn

"""Fuzzing of everything that reads bytes of others: nothing comes out but a value or a PawsightError.

Short by default; PAWSIGHT_FUZZ_SECONDS=120 gives each of the five readers two minutes, as `make faults` does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from functools import cache
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pawsight.classifier.bundle import card_checksum, read_bundle
from pawsight.classifier.graph_guard import fault_in_graph
from pawsight.core.errors import PawsightError
from pawsight.data.archive import ArchiveLimits, extract
from pawsight.data.given_split import read_split_file
from pawsight.data.label_patch import read_patch, write_patch
from pawsight.data.picture_lists import read_list
from pawsight.images.decode import DecodeSettings, decode
from pawsight.models.recipes import Recipe, recipe_from_toml

SECONDS = float(os.environ.get("PAWSIGHT_FUZZ_SECONDS", "0"))
QUIET = settings(
    max_examples=500 if SECONDS else 60,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::PIL.Image.DecompressionBombWarning")


def repeat(fuzz):
    """Run it with one seed after the other until the time is over: Hypothesis itself knows no limit of time."""
    end = time.monotonic() + SECONDS
    for number in count():
        seed(number)(fuzz)()
        if time.monotonic() >= end:
            return


@cache
def seeds():
    from hostile_pictures import all_pictures

    return [picture.data for picture in all_pictures() if not picture.heavy and len(picture.content()) < 20_000]


@st.composite
def spoiled(draw, wholes):
    """One of some files, with bytes changed, cut out, doubled or put in, or with the end of another."""
    whole = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 8))):
        at, much = draw(st.integers(0, max(len(whole) - 1, 0))), draw(st.integers(0, 64))
        deed = draw(st.integers(0, 4))
        if deed == 0:
            whole[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif deed == 1:
            del whole[at : at + much]
        elif deed == 2:
            whole[at:at] = whole[at : at + much] * draw(st.integers(1, 4))
        elif deed == 3:
            whole[at:at] = draw(
                st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"'=\"\n,;", b"9" * 5000])
            )
        else:
            whole[at:] = draw(st.sampled_from(wholes))[at:]
    return bytes(whole)


def allowed(function, *arguments, **options):
    """Call it; anything raised but a PawsightError is the test's failure."""
    try:
        return function(*arguments, **options)
    except PawsightError:
        return None


def test_decode():
    @QUIET
    @given(spoiled(seeds()))
    def fuzz(data):
        began = time.process_time()
        allowed(decode, data, DecodeSettings(image_px=16), name="x")
        assert time.process_time() - began < 5

    repeat(fuzz)


def test_archives(tmp_path):
    from test_archives import HOSTILE, tarred, zipped

    wholes = [make() for how, make in HOSTILE.items() if "bomb" not in how and "megabytes" not in how]
    wholes = [whole for whole in wholes if len(whole) < 50_000]
    wholes += [zipped(("a/b.jpg", b"x" * 999), ("c", b"")), tarred(("a/b.jpg", b"x" * 999, {}), ("c", b"", {}))]
    archive, target = tmp_path / "in" / "x.bin", tmp_path / "in" / "target"
    archive.parent.mkdir()

    @QUIET
    @given(spoiled(wholes))
    def fuzz(data):
        archive.write_bytes(data)
        allowed(extract, archive, target, limits=ArchiveLimits(max_bytes=10**7))
        shutil.rmtree(target, ignore_errors=True)
        assert [file.name for file in archive.parent.iterdir()] == ["x.bin"]
        assert [file.name for file in tmp_path.iterdir()] == ["in"]

    repeat(fuzz)


def test_recipes():
    wholes = [
        Recipe().to_toml().encode(),
        b"name = 0x" + b"f" * 6000,
        b"epochs = " + b"9" * 5000,
        b"a = " + b"[" * 5000,
    ]
    wholes += [b'seed = 1e400\nepochs = "\\uD800"', b"[x]\n[x]", b"learning_rate = nan", b"name.a.b.c = 1"]

    @QUIET
    @given(st.one_of(spoiled(wholes), st.sampled_from(wholes)))
    def fuzz(data):
        made = allowed(recipe_from_toml, data.decode("utf-8", "replace"))
        assert made is None or recipe_from_toml(made.to_toml()) == made

    repeat(fuzz)


def test_bundles(colour_bundle, colour_model, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(colour_bundle, folder)
    honest = json.loads((folder / "bundle.json").read_text())
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
    keys = st.sampled_from(sorted(honest))
    exam = (folder / "exam.npz").read_bytes()

    @QUIET
    @given(st.dictionaries(keys, values, max_size=2), spoiled([exam]), st.booleans(), spoiled([colour_model]))
    def fuzz(changes, spoilt, inner, model):
        card = honest | changes
        if inner and not changes:
            (folder / "exam.npz").write_bytes(spoilt)
            card = card | {"files": card["files"] | {"exam.npz": hashlib.sha256(spoilt).hexdigest()}}
        try:
            text = json.dumps(card | {"seal": card_checksum(card)})
        except ValueError:
            return
        (folder / "bundle.json").write_text(text)
        allowed(read_bundle, folder)
        (folder / "exam.npz").write_bytes(exam)
        assert isinstance(fault_in_graph(model), str)

    repeat(fuzz)


def test_tables(tmp_path):
    table, again = tmp_path / "t.csv", tmp_path / "again.csv"
    sha = "a" * 64
    wholes = [
        b"path,label,part\ncats/1.jpg,cat,train\n'=x,dog,test\n",
        f"path,sha256,action,label,when\na,{sha},relabel,dogs,now\n'=b,{sha},keep,,\n".encode(),
        f'path,sha256,label,part\na,{sha},cats,train\n"\'\tb",,dogs,validation\n'.encode(),
        b"\xef\xbb\xbfpath;part\na;train\n",
        b"path\tpart\n" + b"x" * 140_000 + b"\ttrain\n",
        b'path,part\r\n"a\r\nb",train\r\n\0,test\r\n\xff\xfe,val\n',
    ]

    @QUIET
    @given(st.one_of(spoiled(wholes), st.sampled_from(wholes), st.binary(max_size=200)))
    def fuzz(data):
        table.write_bytes(data)
        for reader in (read_list, read_split_file):
            allowed(reader, table)
        patch = allowed(read_patch, table)
        if patch is not None:
            write_patch(again, patch.decisions)
            assert read_patch(again).decisions == patch.decisions
        assert table.read_bytes() == data

    repeat(fuzz)

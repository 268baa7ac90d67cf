"""The split: a partition, stratified, fixed by content and seed, with all duplicates in one part."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import Facts
from pawsight.data.parts import PARTS
from pawsight.data.split import (
    Assigned,
    Ints,
    Split,
    all_in_training,
    make_split,
    split_into,
    stratified_counts,
    stratified_group_split,
)
from pawsight.images.quality import ImageStatistics

LOOKS = ImageStatistics(brightness=120.0, contrast=60.0, sharpness=0.3, chroma=40.0, camera="", file_bytes=1_000)
Row = tuple[str, str | None, int]  # label, part, content


def number_of(content: int) -> int:
    """A perceptual hash as random as those of different photographs."""
    return int.from_bytes(hashlib.sha256(f"phash {content}".encode()).digest()[:8], "big")


def thumbnail(content: int, noise: float = 0.0) -> bytes:
    """Soft patches of colour unlike those of other contents."""
    chance = np.random.default_rng(content)
    rough = Image.fromarray(chance.integers(0, 240, (6, 6, 3), dtype=np.uint8))
    pixels = np.asarray(rough.resize((32, 32), Image.Resampling.BICUBIC)) + chance.normal(0, noise, (32, 32, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8).tobytes()


def picture(name: str, label: str, part: str | None, content: int, phash: int | None = None) -> Picture:
    facts = Facts(10, 10, "JPEG", 1, number_of(content) if phash is None else phash, LOOKS, thumbnail(content))
    return Picture(Path(name), name, label, part, hashlib.sha256(str(content).encode()).hexdigest(), facts)


def dataset(pictures: Iterable[Picture]) -> Dataset:
    return Dataset(Path("photos"), tuple(sorted(pictures, key=lambda item: item.name)), ())


def of_rows(rows: Sequence[Row]) -> Dataset:
    return dataset(picture(f"{number:05}.jpg", *row) for number, row in enumerate(rows))


def equal_parts(counts: dict[str, int], part: str | None = None, start: int = 0) -> list[Row]:
    """Different pictures: so many of each class."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [(label, part, start + number) for number, label in enumerate(labels)]


def table(split: Split) -> dict[str, Counter[str]]:
    """Pictures of each class in each part."""
    return {name: Counter(item.label for item in split.part(name)) for name in PARTS}


def sides(split: Split) -> dict[str, str]:
    return {item.name: item.part for item in split.assigned}


EXERCISE = of_rows(
    equal_parts({"cats": 1000, "dogs": 1000}, "train") + equal_parts({"cats": 500, "dogs": 500}, "validation", 10_000)
)


def test_the_exercise_is_2000_and_808_and_192_as_in_its_own_count() -> None:
    split = make_split(EXERCISE)
    assert split.sizes == {"train": 2000, "validation": 808, "test": 192}
    assert table(split) == {
        "train": {"cats": 1000, "dogs": 1000},
        "validation": {"cats": 404, "dogs": 404},
        "test": {"cats": 96, "dogs": 96},
    }
    assert split.how.startswith("train and validation as ")
    assert split.how.endswith("fifth of validation became test")
    assert split.duplicates_across_parts == ()


def test_in_the_exercise_train_stays_train_and_test_comes_from_validation() -> None:
    split = make_split(EXERCISE)
    for item, before in zip(split.assigned, EXERCISE.pictures, strict=True):
        assert item.part == "train" if before.part == "train" else item.part in ("validation", "test")


def test_without_parts_70_15_15() -> None:
    split = make_split(of_rows(equal_parts({"cats": 100, "dogs": 300})))
    assert table(split) == {
        "train": {"cats": 70, "dogs": 210},
        "validation": {"cats": 15, "dogs": 45},
        "test": {"cats": 15, "dogs": 45},
    }
    assert split.how == "70 % train, 15 % validation, 15 % test"


def test_with_train_and_test_given_validation_comes_from_train() -> None:
    rows = equal_parts({"cats": 200, "dogs": 100}, "train") + equal_parts({"cats": 30, "dogs": 7}, "test", 10_000)
    split = make_split(of_rows(rows))
    assert table(split) == {
        "train": {"cats": 170, "dogs": 85},
        "validation": {"cats": 30, "dogs": 15},
        "test": {"cats": 30, "dogs": 7},
    }
    assert split.how.startswith("train and test as ")
    assert split.how.endswith("15 % of train became validation")


@pytest.mark.parametrize(
    ("count", "test"), [(10, 2), (100, 20), (158, 32), (160, 32), (192, 32), (1000, 192), (320, 64)]
)
def test_a_fifth_is_counted_in_whole_batches_where_there_are_five(count: int, test: int) -> None:
    rows = equal_parts({"a": 10, "b": 10}, "train") + equal_parts({"a": count // 2, "b": count // 2}, "validation", 500)
    assert make_split(of_rows(rows)).sizes == {"train": 20, "validation": count - test, "test": test}


def given_three(seed: int = 0) -> list[Picture]:
    rows = [(label, part, 0) for part in PARTS for label in ("a", "b") for _ in range(20)]
    return [picture(f"{part}/{label}/{n}.jpg", label, part, 1000 * seed + n) for n, (label, part, _) in enumerate(rows)]


def test_three_given_parts_stand() -> None:
    split = make_split(dataset(given_three()))
    assert all(item.part == item.name.split("/")[0] for item in split.assigned)
    assert split.how.startswith("train, validation and test as ")
    assert "became" not in split.how
    assert split.duplicates_across_parts == ()


def test_equal_and_near_equal_pictures_across_given_parts_are_reported_and_not_moved() -> None:
    pictures = given_three()
    train, validation, test = (next(item for item in pictures if item.part == part) for part in PARTS)
    same = replace(validation, sha256=train.sha256, facts=train.facts)
    darker = (np.frombuffer(train.facts.thumbnail, np.uint8) * 0.8).astype(np.uint8).tobytes()
    near = replace(test, facts=replace(test.facts, thumbnail=darker))
    swapped = {validation.name: same, test.name: near}
    split = make_split(dataset(swapped.get(item.name, item) for item in pictures))
    assert all(item.part == item.name.split("/")[0] for item in split.assigned)
    (names,) = split.duplicates_across_parts
    assert sorted(names) == sorted([train.name, same.name, near.name])


def test_duplicates_inside_one_given_part_are_nothing_to_report() -> None:
    pictures = given_three()
    first, second = [item for item in pictures if item.part == "train"][:2]
    twin = replace(second, sha256=first.sha256, facts=first.facts)
    assert make_split(dataset(twin if item is second else item for item in pictures)).duplicates_across_parts == ()


def test_a_duplicate_between_given_train_and_the_cut_validation_is_reported() -> None:
    rows: list[Row] = equal_parts({"a": 20, "b": 20}, "train") + equal_parts({"a": 20, "b": 20}, "validation", 15)
    split = make_split(of_rows(rows))
    assert len(split.duplicates_across_parts) == 25
    assert all(len(names) == 2 for names in split.duplicates_across_parts)
    assert split.sizes == {"train": 40, "validation": 32, "test": 8}


@pytest.mark.parametrize(
    "sizes", [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}, {"a": 1, "b": 200}, {"a": 3, "b": 2}]
)
def test_tiny_classes_are_learnt_from_before_they_are_measured(sizes: dict[str, int]) -> None:
    split = make_split(of_rows(equal_parts(sizes)))
    assert sum(split.sizes.values()) == sum(sizes.values())
    assert set(table(split)["train"]) == set(sizes)


def test_many_classes_of_two_still_fill_all_parts() -> None:
    split = make_split(of_rows(equal_parts({f"class {n}": 2 for n in range(100)})))
    assert split.sizes == {"train": 140, "validation": 30, "test": 30}
    assert len(table(split)["train"]) == 100


def test_given_validation_with_one_picture_of_a_class_keeps_it() -> None:
    rows = equal_parts({"a": 5, "b": 5}, "train") + equal_parts({"a": 1, "b": 40}, "validation", 100)
    assert table(make_split(of_rows(rows)))["validation"]["a"] == 1


@st.composite
def data_sets(draw: st.DrawFn, *, duplicates: bool = True) -> list[Picture]:
    """Pictures of a few classes, with or without parts; some with equal bytes, some nearly alike."""
    count = draw(st.integers(2, 60))
    given_parts = draw(st.sampled_from([(None,), ("train", "validation"), ("train", "test"), PARTS]))
    contents = st.integers(0, count if duplicates else 10**12)
    chosen = draw(st.lists(contents, min_size=count, max_size=count, unique=not duplicates))
    labels = draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    parts = draw(st.lists(st.sampled_from(given_parts), min_size=count, max_size=count))
    flips = draw(st.lists(st.integers(-60, 63), min_size=count, max_size=count)) if duplicates else [-1] * count
    pictures = []
    for number, (content, label, part, flip) in enumerate(zip(chosen, labels, parts, flips, strict=True)):
        near = number_of(chosen[0]) ^ (1 << flip) if flip >= 0 else None
        pictures.append(picture(f"{number}.jpg", label, part, content, near))
    return pictures


def copies(pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    return [
        (i, j)
        for j, second in enumerate(pictures)
        for i, first in enumerate(pictures[:j])
        if first.sha256 == second.sha256
    ]


def is_ours(pictures: Sequence[Picture], first: int, second: int) -> bool:
    """Say whether the cut between two pictures, if there is one, was made by the split and not by folders."""
    given_parts = {item.part for item in pictures}
    return given_parts != set(PARTS) and pictures[first].part == pictures[second].part


@settings(max_examples=60, deadline=None)
@given(data_sets(), st.integers(0, 5))
def test_a_split_is_a_partition_in_the_order_of_the_catalog(pictures: list[Picture], seed: int) -> None:
    whole = dataset(pictures)
    split = make_split(whole, seed=seed)
    assert [(item.name, item.sha256, item.label) for item in split.assigned] == [
        (item.name, item.sha256, item.label) for item in whole.pictures
    ]
    assert {item.part for item in split.assigned} <= set(PARTS)
    assert sorted(item.name for name in PARTS for item in split.part(name)) == sorted(item.name for item in pictures)
    assert split.sizes == {name: len(split.part(name)) for name in PARTS}
    assert sum(split.sizes.values()) == len(pictures)


@settings(max_examples=100, deadline=None)
@given(data_sets(), st.integers(0, 5))
def test_copies_stay_on_one_side_where_the_cut_is_ours(pictures: list[Picture], seed: int) -> None:
    part = sides(make_split(dataset(pictures), seed=seed))
    for first, second in copies(pictures):
        if is_ours(pictures, first, second):
            assert part[pictures[first].name] == part[pictures[second].name]


@settings(max_examples=60, deadline=None)
@given(data_sets(), st.integers(0, 5))
def test_copies_in_two_parts_are_always_reported(pictures: list[Picture], seed: int) -> None:
    split = make_split(dataset(pictures), seed=seed)
    part, reported = sides(split), defaultdict(set)
    for number, names in enumerate(split.duplicates_across_parts):
        assert len({part[name] for name in names}) > 1
        for name in names:
            reported[name].add(number)
    assert all(len(numbers) == 1 for numbers in reported.values())
    for first, second in copies(pictures):
        one, other = pictures[first].name, pictures[second].name
        if part[one] != part[other]:
            assert reported[one] == reported[other] != set()


@settings(max_examples=60, deadline=None)
@given(data_sets(), st.integers(0, 5))
def test_given_parts_are_respected(pictures: list[Picture], seed: int) -> None:
    given_parts = {item.part for item in pictures}
    part = sides(make_split(dataset(pictures), seed=seed))
    cut = {"validation": "test"} if given_parts == {"train", "validation"} else {}
    cut = {"train": "validation"} if given_parts == {"train", "test"} else cut
    if given_parts >= {"train", "test"} or given_parts >= {"train", "validation"}:
        assert all(part[item.name] in (item.part, cut.get(item.part or "", item.part)) for item in pictures)


@settings(max_examples=60, deadline=None)
@given(data_sets(duplicates=False), st.integers(0, 5))
def test_without_duplicates_every_class_is_shared_out_within_one_picture(pictures: list[Picture], seed: int) -> None:
    given_parts = {item.part for item in pictures}
    split = make_split(dataset(pictures), seed=seed)
    after = table(split)
    if given_parts == {None} or given_parts == {"train"}:
        source, shares = {None, "train"}, {"train": 0.7, "validation": 0.15, "test": 0.15}
    elif given_parts == {"train", "validation"}:
        source, shares = {"validation"}, {"validation": 0.8, "test": 0.2}
    elif given_parts == {"train", "test"}:
        source, shares = {"train"}, {"train": 0.85, "validation": 0.15}
    else:
        return
    counts = Counter(item.label for item in pictures if item.part in source)
    for label, count in counts.items():
        for name, share in shares.items():
            assert abs(after[name][label] - count * share) < 1 + 1e-6


@settings(max_examples=60, deadline=None)
@given(data_sets(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_same_pictures_and_seed_give_the_same_split_whatever_they_are_called(
    pictures: list[Picture], seed: int, chance: random.Random
) -> None:
    first = make_split(dataset(pictures), seed=seed)
    assert make_split(dataset(pictures), seed=seed) == first
    names = [f"other {number}" for number in range(len(pictures))]
    chance.shuffle(names)
    renamed = [replace(item, name=name, path=Path(name)) for item, name in zip(pictures, names, strict=True)]
    second = make_split(dataset(renamed), seed=seed)
    before, after = sides(first), sides(second)
    assert [after[name] for name in names] == [before[item.name] for item in pictures]
    assert second.digest == first.digest


def test_another_seed_is_another_split_of_the_same_sizes() -> None:
    rows = of_rows(equal_parts({"a": 50, "b": 50}))
    splits = [make_split(rows, seed=seed) for seed in range(5)]
    assert len({split.digest for split in splits}) == 5
    assert all(split.sizes == splits[0].sizes for split in splits)
    assert make_split(rows) == splits[0]


def test_one_more_picture_leaves_nearly_all_others_where_they_were() -> None:
    rows = equal_parts({"a": 300, "b": 300})
    before = {item.sha256: item.part for item in make_split(of_rows(rows)).assigned}
    after = {item.sha256: item.part for item in make_split(of_rows([*rows, ("a", None, 99_999)])).assigned}
    assert sum(after[sha256] != part for sha256, part in before.items()) <= 4


def test_the_split_of_a_fixed_data_set_is_pinned() -> None:
    """Whoever changes this makes old and new numbers incomparable, and must say so in the changelog."""
    split = make_split(of_rows(equal_parts({"a": 20, "b": 20})))
    assert split.digest.startswith("31d07096327022c43d2831c681b96f85")  # its first 128 bits


ASSIGNED = (Assigned("1.jpg", "aa", "cat", "train"), Assigned("2.jpg", "bb", "dog", "test"))


@pytest.mark.parametrize(
    "changed",
    [
        ASSIGNED[:1],
        (*ASSIGNED, ASSIGNED[0]),
        (ASSIGNED[0], replace(ASSIGNED[1], sha256="bc")),
        (ASSIGNED[0], replace(ASSIGNED[1], label="cat")),
        (ASSIGNED[0], replace(ASSIGNED[1], part="train")),
        (replace(ASSIGNED[0], part="test"), replace(ASSIGNED[1], part="train")),
    ],
)
def test_the_digest_changes_with_any_content_label_or_part(changed: tuple[Assigned, ...]) -> None:
    assert Split(changed, "", ()).digest != Split(ASSIGNED, "", ()).digest


def test_the_digest_does_not_depend_on_names_order_or_words() -> None:
    other = (replace(ASSIGNED[1], name="x"), replace(ASSIGNED[0], name="y"))
    assert Split(other, "other words", (("x", "y"),)).digest == Split(ASSIGNED, "", ()).digest
    assert len(Split(ASSIGNED, "", ()).digest) == 64


def test_labels_of_any_script_can_be_split_and_sealed() -> None:
    rows = equal_parts({"猫": 20, "caf\udce9": 20, "a,b\n": 20})
    assert table(make_split(of_rows(rows)))["train"] == {"猫": 14, "caf\udce9": 14, "a,b\n": 14}


def without_thumbnails(pictures: Iterable[Picture]) -> Dataset:
    """Pictures of which only the hash can say that they look alike."""
    return dataset(replace(item, facts=replace(item.facts, thumbnail=b"")) for item in pictures)


def test_what_merely_looks_alike_stays_on_one_side_and_is_no_duplicate() -> None:
    hashes = [number_of(content // 3) ^ content % 3 for content in range(60)]
    rows = without_thumbnails(picture(f"{n:02}.png", "ab"[n // 30], None, n, phash) for n, phash in enumerate(hashes))
    split = make_split(rows)
    assert all(len({item.part for item in split.assigned[n : n + 3]}) == 1 for n in range(0, 60, 3))
    assert (len(split.alike), split.duplicates) == (20, ())


def test_a_class_that_looks_alike_as_a_whole_keeps_its_shares() -> None:
    """400 grains on black: chains of near hashes would leave a part without a class."""
    rows = without_thumbnails(picture(f"{n}.png", "ab"[n % 2], None, n, 0 if n < 4000 else None) for n in range(5000))
    split = make_split(rows)
    assert table(split)["test"] == {"a": 375, "b": 375}
    assert split.alike == split.duplicates == ()


def test_where_keeping_together_costs_a_class_its_share_duplicates_alone_are_kept_together() -> None:
    """Each group holds pictures of six classes, so no way of dividing groups gives each class its shares."""
    rows = [picture(f"{n}.png", "abcdef"[n % 6], None, n, number_of(n // 48) ^ (n % 3)) for n in range(288)]
    split = make_split(without_thumbnails(rows))
    assert all(set(counted) == set("abcdef") for counted in table(split).values())


def test_pictures_of_one_colour_are_alike_only_where_their_bytes_are() -> None:
    """The hash of a flat picture is rounding: a black and a green page share it."""
    rows = [picture(f"{label}/{number}.png", label, None, number, phash=0) for label in "ab" for number in (1, 2)]
    rows.append(picture("a/3.png", "a", None, 3, phash=0))
    flat = [replace(row, facts=replace(row.facts, statistics=replace(LOOKS, contrast=0.0, chroma=0.0))) for row in rows]
    varied = picture("b/9.jpg", "b", None, 9, phash=0)
    split = make_split(dataset([*flat, varied]))
    assert {tuple(item.name for item in group) for group in split.alike} == {
        ("a/1.png", "b/1.png"),
        ("a/2.png", "b/2.png"),
    }


def test_parts_that_somebody_else_chose_stand_and_what_is_alike_is_still_reported() -> None:
    rows = of_rows([("a", None, 1), ("a", None, 1), ("b", "train", 2), ("b", None, 3)])
    split = split_into(rows, ["train", "test", "validation", "test"], how="as another run cut them")
    assert [item.part for item in split.assigned] == ["train", "test", "validation", "test"]
    assert [item.sha256 for item in split.assigned] == [item.sha256 for item in rows.pictures]
    assert (split.how, split.duplicates_across_parts) == ("as another run cut them", (("00000.jpg", "00001.jpg"),))
    with pytest.raises(ValueError, match="shorter"):
        split_into(rows, ["train"], how="too few")


def test_a_started_batch_counts_as_one_and_five_are_enough_for_the_fifth_of_the_exercise() -> None:
    rows = equal_parts({"a": 20, "b": 20}, "train") + equal_parts({"a": 75, "b": 75}, "validation", 1_000)
    assert make_split(of_rows(rows)).sizes == {"train": 40, "validation": 118, "test": 32}


@pytest.mark.parametrize("given_part", ["validation", "test"])
def test_the_seed_decides_who_moves_out_of_a_given_part(given_part: str) -> None:
    rows = of_rows(equal_parts({"a": 40, "b": 40}, "train") + equal_parts({"a": 40, "b": 40}, given_part, 1_000))
    assert len({make_split(rows, seed=seed).digest for seed in range(3)}) == 3
    assert make_split(rows) == make_split(rows, seed=0)


def test_pictures_outside_the_given_folders_are_trained_on() -> None:
    rows = [*(("a", part, number) for number, part in enumerate(PARTS)), ("a", None, 9)]
    assert [item.part for item in make_split(of_rows(rows)).assigned] == [*PARTS, "train"]


def test_a_folder_of_flat_pictures_alone_can_be_split() -> None:
    plain = replace(LOOKS, contrast=0.0, chroma=0.0)
    rows = of_rows(equal_parts({"a": 10, "b": 10})).pictures
    split = make_split(dataset(replace(row, facts=replace(row.facts, statistics=plain)) for row in rows))
    assert (sum(split.sizes.values()), split.alike) == (20, ())


SHARES = [(0.7, 0.15, 0.15), (0.8, 0.2), (0.85, 0.15), (0.808, 0.192), (0.5, 0.5), (0.1, 0.9), (0.4, 0.3, 0.2, 0.1)]
shares_of = st.sampled_from(SHARES)
counts_of = st.lists(st.integers(1, 200), min_size=1, max_size=30)


def ints(values: object) -> Ints:
    return np.array(values, dtype=np.int64)


@settings(deadline=None)
@given(counts_of, shares_of)
def test_quotas_add_up_and_are_within_one_of_the_shares(counts: list[int], shares: tuple[float, ...]) -> None:
    dealt = stratified_counts(ints(counts), shares)
    assert dealt.shape == (len(counts), len(shares))
    assert (dealt >= 0).all()
    assert dealt.sum(axis=1).tolist() == counts
    assert np.abs(dealt - np.outer(counts, shares)).max() < 1 + 1e-6


@settings(deadline=None)
@given(counts_of, shares_of)
def test_every_class_has_something_to_learn_from(counts: list[int], shares: tuple[float, ...]) -> None:
    assert (stratified_counts(ints(counts), shares)[:, 0] >= 1).all()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [1, 0, 0]),
        (2, [2, 0, 0]),
        (3, [2, 1, 0]),
        (4, [3, 1, 0]),
        (7, [5, 1, 1]),
        (20, [14, 3, 3]),
        (100, [70, 15, 15]),
    ],
)
def test_a_single_class_is_cut_as_one_would_by_hand(count: int, expected: list[int]) -> None:
    dealt = stratified_counts(ints([count]), (0.7, 0.15, 0.15))[0]
    assert dealt.tolist() == expected


def test_many_small_classes_do_not_starve_the_smaller_parts() -> None:
    for size in (2, 3, 5):
        total = stratified_counts(ints([size] * 200), (0.7, 0.15, 0.15)).sum(axis=0)
        assert np.abs(total - np.array([0.7, 0.15, 0.15]) * size * 200).max() <= 2


def test_classes_of_one_all_go_to_the_first_part() -> None:
    assert stratified_counts(ints([1] * 50), (0.7, 0.15, 0.15)).sum(axis=0).tolist() == [50, 0, 0]


def test_the_shares_of_the_exercise_are_met_exactly() -> None:
    assert stratified_counts(ints([500, 500]), (0.808, 0.192)).tolist() == [[404, 96], [404, 96]]
    assert stratified_counts(ints([1000, 1000]), (0.7, 0.15, 0.15)).tolist() == [[700, 150, 150]] * 2


def counted(labels: Ints, parts: Ints, shape: tuple[int, int]) -> Ints:
    table = np.zeros(shape, dtype=np.int64)
    np.add.at(table, (labels, parts), 1)
    return table


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), shares_of)
def test_without_groups_the_quotas_are_met_exactly(labels: list[int], shares: tuple[float, ...]) -> None:
    known = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    wanted = stratified_counts(np.bincount(known), shares)
    parts = stratified_group_split(known, np.arange(len(known)), wanted)
    assert np.array_equal(counted(known, parts, wanted.shape), wanted)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Ints, Ints, tuple[float, ...]]:
    count = draw(st.integers(1, 60))
    labels = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(0, count), min_size=count, max_size=count))
    return np.unique(labels, return_inverse=True)[1].astype(np.int64), ints(groups), draw(shares_of)


@settings(max_examples=150)
@given(grouped())
def test_no_group_is_torn_and_everything_has_a_part(things: tuple[Ints, Ints, tuple[float, ...]]) -> None:
    labels, groups, shares = things
    parts = stratified_group_split(labels, groups, stratified_counts(np.bincount(labels), shares))
    assert ((parts >= 0) & (parts < len(shares))).all()
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1


@settings(max_examples=250)
@given(grouped())
def test_whatever_the_groups_every_class_has_something_to_learn_from(
    things: tuple[Ints, Ints, tuple[float, ...]],
) -> None:
    labels, groups, shares = things
    parts = stratified_group_split(labels, groups, stratified_counts(np.bincount(labels), shares))
    assert set(labels[parts == 0].tolist()) == set(labels.tolist())


@given(grouped(), st.integers(1, 1000))
def test_the_numbers_of_the_groups_do_not_matter(things: tuple[Ints, Ints, tuple[float, ...]], factor: int) -> None:
    labels, groups, shares = things
    wanted = stratified_counts(np.bincount(labels), shares)
    assert np.array_equal(
        stratified_group_split(labels, groups, wanted),
        stratified_group_split(labels, (10_000 - groups) * factor, wanted),
    )


def test_small_groups_hardly_disturb_the_quotas() -> None:
    labels = np.repeat([0, 1], 300)
    groups = np.arange(600)
    groups[:60] = np.repeat(np.arange(30), 2)  # thirty pairs in the first class
    wanted = stratified_counts(np.bincount(labels), (0.7, 0.15, 0.15))
    assert np.array_equal(counted(labels, stratified_group_split(labels, groups, wanted), wanted.shape), wanted)


def test_a_group_that_fits_nowhere_goes_where_it_overflows_least() -> None:
    labels, groups = ints([0] * 10), ints([1] * 9 + [2])
    wanted = stratified_counts(np.bincount(labels), (0.7, 0.15, 0.15))
    assert stratified_group_split(labels, groups, wanted).tolist()[:9] == [0] * 9


def test_groups_are_shared_among_the_parts() -> None:
    labels, groups = np.zeros(100, dtype=np.int64), np.repeat(np.arange(50), 2)
    wanted = stratified_counts(np.bincount(labels), (0.6, 0.2, 0.2))
    assert counted(labels, stratified_group_split(labels, groups, wanted), wanted.shape).tolist() == [[60, 20, 20]]


def test_nothing_can_be_dealt() -> None:
    assert stratified_group_split(ints([]), ints([]), stratified_counts(ints([]), (0.7, 0.3))).tolist() == []


@settings(max_examples=40)
@given(groups=st.lists(st.integers(0, 12), min_size=40, max_size=80), seed=st.integers(0, 5))
def test_pictures_of_one_group_are_in_one_part(groups: list[int], seed: int) -> None:
    pictures = [
        replace(picture(f"{row:03}.jpg", "ab"[row % 2], None, row), group=f"patient {group}" if group else "")
        for row, group in enumerate(groups)
    ]
    parts: dict[str, set[str]] = defaultdict(set)
    made = make_split(dataset(pictures), seed=seed)
    for item, assigned in zip(pictures, made.assigned, strict=True):
        parts[item.group].add(assigned.part)
    assert all(len(names) == 1 for group, names in parts.items() if group)
    assert made.duplicates == ()


@pytest.mark.parametrize("keeps_test", [True, False])
def test_cross_validation_trains_on_all_pictures_but_those_of_a_given_test_part(keeps_test):
    rows = [("cats", part, content) for content, part in enumerate(["train", "validation", "test"] * 4)]
    split = make_split(of_rows([*rows, ("cats", "train", 0), ("dogs", "test", 2)]))
    whole = all_in_training(split, keeps_test=keeps_test)
    assert whole.sizes == {"train": 9 if keeps_test else 14, "validation": 0, "test": 5 if keeps_test else 0}
    assert [picture.name for picture in whole.assigned] == [picture.name for picture in split.assigned]
    assert len(whole.duplicates) == len(split.duplicates) == 2
    assert {picture for group in (*whole.alike, *whole.duplicates) for picture in group} <= set(whole.assigned)
    assert whole.digest != split.digest

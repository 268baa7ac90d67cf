"""Reading a dataset: facts, what is left out and why, pixels handed over once, and the checks of its classes."""

from __future__ import annotations

import errno
import io
import os
import re
import shlex
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.core.cache import Cache
from pawsight.core.errors import BadDataset, DataError, NoPictures, StorageError, UnreadablePicture
from pawsight.core.progress import Silent, Step
from pawsight.core.storage import sha256_of
from pawsight.core.thread_pool import THREAD_NAME
from pawsight.data import dataset as dataset_module
from pawsight.data import facts as facts_module
from pawsight.data.dataset import (
    Dataset,
    Picture,
    PixelSink,
    check_classes,
    check_found,
    check_losses,
    losses,
    read_dataset,
)
from pawsight.data.facts import Facts, known_facts
from pawsight.data.folders import find
from pawsight.data.found import Candidate, Found, LeftOut
from pawsight.data.reading import FolderReading
from pawsight.images.decode import NOT_DOWNLOADED, READABLE_NAMES, WEB_PAGE, DecodeSettings, Pixels, decode
from pawsight.images.fingerprint import HASHED_PX, perceptual_hash, thumbnail
from pawsight.images.quality import ImageStatistics, image_statistics

from ..conftest import says

SMALL = DecodeSettings(image_px=32)


def drawn(number: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three cats and three dogs."""
    names = [f"{kind}/{number}.png" for kind in ("cats", "dogs") for number in range(3)]
    return put(tmp_path / "photos", {name: encoded(drawn(number)) for number, name in enumerate(names)})


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache") as opened:
        yield opened


class Sink:
    """Wants what it is told to want, and remembers what came."""

    def __init__(self, wanted: Callable[[str], bool] = lambda sha256: True) -> None:
        self._wanted = wanted
        self.asked: list[str] = []
        self.taken: list[tuple[str, Pixels]] = []
        self.threads: set[int] = set()

    def wants(self, sha256: str) -> bool:
        self.asked.append(sha256)
        return self._wanted(sha256)

    def take(self, sha256: str, pixels: Pixels) -> None:
        self.threads.add(threading.get_ident())
        self.taken.append((sha256, pixels))


def read(root: Path, cache: Cache, sink: PixelSink | None = None, settings: DecodeSettings = SMALL) -> Dataset:
    return read_dataset(find(root), settings, cache=cache, threads=2, sink=sink, allow_missing=1)


@pytest.fixture
def decoded_sides(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The side of every square that is decoded from now on."""
    sides: list[int] = []

    def counting(data: bytes, settings: DecodeSettings, *, name: str) -> object:
        sides.append(settings.image_px)
        return decode(data, settings, name=name)

    monkeypatch.setattr(dataset_module, "decode", counting)
    monkeypatch.setattr(facts_module, "decode", counting)
    return sides


def test_pictures_come_with_their_facts(tmp_path: Path, cache: Cache) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Leica", "LEICA M3"
    jpeg = encoded(drawn(1, (60, 40)), "JPEG", exif=exif)
    put(tmp_path / "photos", {"cats/odd name.png": jpeg, "dogs/1.gif": encoded(drawn(2), "GIF")})
    cat, dog = read(tmp_path / "photos", cache).pictures
    pixels = decode(jpeg, DecodeSettings(image_px=HASHED_PX), name="x").pixels
    assert cat == Picture(
        path=tmp_path / "photos" / "cats" / "odd name.png",
        name="cats/odd name.png",
        label="cats",
        part=None,
        sha256=sha256_of(jpeg),
        facts=Facts(
            width=40,
            height=60,
            format="JPEG",
            orientation=6,
            phash=perceptual_hash(pixels),
            statistics=image_statistics(pixels, camera="LEICA M3", file_bytes=len(jpeg)),
            thumbnail=thumbnail(pixels).tobytes(),
        ),
    )
    assert (dog.facts.width, dog.facts.height, dog.facts.format, dog.facts.orientation) == (40, 30, "GIF", 1)


def test_pictures_are_sorted_by_name_and_classes_counted(root: Path, cache: Cache) -> None:
    put(root, {"dogs/9.png": encoded(drawn(9)), "Ants/1.png": encoded(drawn(10))})
    dataset = read(root, cache)
    names = [picture.name for picture in dataset.pictures]
    assert names == sorted(names)
    assert dataset.classes == ("Ants", "cats", "dogs")
    assert dataset.counts == {"Ants": 1, "cats": 3, "dogs": 4}
    assert dataset.baseline == 0.5
    assert (dataset.root, dataset.left_out) == (root, ())


def test_parts_come_from_the_folders(drawings: Path, cache: Cache) -> None:
    dataset = read(drawings, cache)
    assert dataset.counts == {"cats": 26, "dogs": 26}
    assert {picture.part for picture in dataset.pictures} == {"train", "validation"}
    assert all(picture.name.startswith(f"{picture.part}/{picture.label}/") for picture in dataset.pictures)
    assert {picture.facts.format for picture in dataset.pictures} == {"JPEG"}


def test_every_file_left_out_is_listed_with_its_reason(root: Path, cache: Cache) -> None:
    big = encoded(Image.new("L", (1100, 1000)))
    good = encoded(drawn(77))
    put(
        root,
        {
            "cats/empty.jpg": b"",
            "cats/notes.txt": b"Tom is asleep.",
            "cats/phone.cr3": b"\0\0\0\x18ftypcrx \0\0\0\0",
            "cats/.away.jpg.icloud": b"bplist00",
            "cats/pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 8497\n",
            "cats/zeros.jpg": bytes(4096),
            "cats/cut.png": good[: len(good) // 2],
            "cats/big.png": big,
            "cats/.DS_Store": b"",
            "dogs/page.jpg": b"<!doctype html><html>404</html>",
        },
    )
    (root / "dogs" / "link.jpg").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "dogs" / "pipe")
    else:
        (root / "dogs" / "pipe").write_bytes(b"")
    dataset = read(root, cache, settings=DecodeSettings(image_px=32, max_megapixels=1))
    reasons = {file.name: file.reason for file in dataset.left_out}
    assert reasons.pop("dogs/pipe") in ("not a regular file", "empty")
    assert reasons == {
        "cats/.DS_Store": "hidden",
        "cats/big.png": "1.1 megapixels, 1 allowed: --max-megapixels 10",
        "cats/cut.png": "truncated",
        "cats/empty.jpg": "empty",
        "cats/notes.txt": "not a picture",
        "cats/phone.cr3": "Canon raw (CR3) is not read",
        "cats/.away.jpg.icloud": NOT_DOWNLOADED,
        "cats/pointer.jpg": "a Git LFS pointer in place of the picture: git lfs pull",
        "cats/zeros.jpg": "nothing but zeros: a placeholder of a cloud drive to be downloaded, or a damaged copy",
        "dogs/link.jpg": "no such file or directory",
        "dogs/page.jpg": WEB_PAGE,
    }
    assert [file.name for file in dataset.left_out] == sorted(file.name for file in dataset.left_out)
    assert len(dataset.pictures) == 6


def test_a_class_of_which_nothing_can_be_read_is_an_error_after_reading(root: Path, cache: Cache) -> None:
    put(root, {"foxes/1.jpg": b"", "foxes/2.jpg": b"x"})
    with pytest.raises(BadDataset) as error:
        read(root, cache)
    assert "'foxes'" in error.value.what
    assert "1 .jpg (empty)" in error.value.why
    assert "1 .jpg (not a picture)" in error.value.why


def test_folders_without_any_picture_are_an_error(tmp_path: Path, cache: Cache) -> None:
    put(tmp_path / "photos", {"a/1.txt": b"x", "b/1.txt": b"y"})
    with pytest.raises(NoPictures, match=r"2 \.txt \(not a picture\)"):
        read(tmp_path / "photos", cache)


def test_a_class_that_lost_its_training_pictures_is_an_error(tmp_path: Path, cache: Cache) -> None:
    files = {f"{part}/{kind}/1.png": encoded(drawn(1)) for part in ("train", "val") for kind in ("cats", "dogs")}
    put(tmp_path / "photos", files | {"train/dogs/1.png": b""})
    with pytest.raises(BadDataset, match=r"^Class 'dogs' in .* in train\."):
        read(tmp_path / "photos", cache)


def test_what_names_show_to_be_wrong_is_told_before_anything_is_read(
    root: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "birds").mkdir()
    monkeypatch.setattr(dataset_module, "read_regular_file", None)
    with pytest.raises(BadDataset, match="'birds'"):
        read(root, cache)


def test_what_is_said_of_the_folders_stays_with_the_dataset(root: Path, cache: Cache) -> None:
    put(root, {"loose.jpg": b"", "README.md": b"", "cats/old/1.png": encoded(drawn(50))})
    dataset = read(root, cache)
    found = find(root)
    assert (dataset.notes, dataset.warnings) == (found.notes, found.warnings)
    assert len(found.notes) == 2
    assert len(found.warnings) == 1
    assert {file.name for file in dataset.left_out} == {"loose.jpg", "README.md"}


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path, cache: Cache) -> None:
    put(tmp_path, {f"{number}/1.png": encoded(drawn(number)) for number in range(1, 13)})
    assert read(tmp_path, cache).classes == tuple(map(str, range(1, 13)))


FLAT = [f"{label}.{number}.jpg" for label in ("cat", "dog") for number in range(6)]


@pytest.mark.parametrize("where", ["", "train/", "images/"])
def test_names_that_carry_the_class_give_the_option_that_trains_on_them(where: str, tmp_path: Path) -> None:
    put(tmp_path, {f"{where}{name}": b"" for name in FLAT} | {"labels.csv": b""})
    with pytest.raises(BadDataset) as caught:
        check_found(find(tmp_path, data="my photos"))
    told = caught.value
    line = next(line for line in told.fix.splitlines() if "--class-from" in line)
    assert says(line, "cat: 6, dog: 6")
    words = shlex.split(line[line.index("pawsight") :])
    assert words[:4] == ["pawsight", "train", "my photos", "--class-from"]
    assert find(tmp_path, FolderReading(class_from=words[4])).folders == ("cat", "dog")
    assert says(told.fix, f"pawsight train {tmp_path / 'labels.csv'}")


def test_the_folder_that_one_is_in_is_named_in_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoPictures) as caught:
        check_found(find(Path()))
    assert says(caught.value, tmp_path, " cats/1.jpg")


def test_the_sink_gets_the_pixels_of_each_content_once_in_order(root: Path, cache: Cache) -> None:
    shutil.copy(root / "cats" / "0.png", root / "cats" / "copy.png")
    shutil.copy(root / "cats" / "0.png", root / "dogs" / "copy.png")
    sink = Sink()
    dataset = read(root, cache, sink)
    assert len(dataset.pictures) == 8
    assert [sha256 for sha256, _ in sink.taken] == list(dict.fromkeys(picture.sha256 for picture in dataset.pictures))
    assert sink.threads == {threading.get_ident()}
    for picture in dataset.pictures:
        pixels = dict(sink.taken)[picture.sha256]
        assert np.array_equal(pixels, decode(picture.path.read_bytes(), SMALL, name="x").pixels)


def test_the_sink_is_asked_for_every_file_and_gets_only_what_it_wants(root: Path, cache: Cache) -> None:
    wanted = sha256_of((root / "cats" / "1.png").read_bytes())
    sink = Sink(lambda sha256: sha256 == wanted)
    dataset = read(root, cache, sink)
    assert [sha256 for sha256, _ in sink.taken] == [wanted]
    assert sorted(sink.asked) == sorted(picture.sha256 for picture in dataset.pictures)


def test_unreadable_files_never_reach_the_sink(root: Path, cache: Cache) -> None:
    put(root, {"cats/bad.png": b"\x89PNG\r\n\x1a\nrubbish"})
    sink = Sink()
    read(root, cache, sink)
    assert len(sink.taken) == 6


def test_a_second_pass_decodes_nothing(root: Path, cache: Cache, decoded_sides: list[int]) -> None:
    first = read(root, cache)
    assert len(decoded_sides) == 6
    assert read(root, cache) == first
    assert read(root, cache, Sink(lambda sha256: False)) == first
    assert len(decoded_sides) == 6


def test_a_second_pass_decodes_only_what_the_sink_wants(root: Path, cache: Cache, decoded_sides: list[int]) -> None:
    read(root, cache)
    wanted = sha256_of((root / "dogs" / "2.png").read_bytes())
    decoded_sides.clear()
    read(root, cache, Sink(lambda sha256: sha256 == wanted))
    assert decoded_sides == [32]


def test_a_first_pass_at_the_hashed_side_decodes_once(root: Path, cache: Cache, decoded_sides: list[int]) -> None:
    read(root, cache, Sink(), DecodeSettings(image_px=HASHED_PX))
    assert decoded_sides == [HASHED_PX] * 6


def test_facts_follow_the_content_when_a_file_is_renamed_or_moved(
    root: Path, cache: Cache, decoded_sides: list[int]
) -> None:
    before = {picture.sha256: picture.facts for picture in read(root, cache).pictures}
    (root / "cats" / "0.png").rename(root / "dogs" / "renamed.gif")
    decoded_sides.clear()
    assert {picture.sha256: picture.facts for picture in read(root, cache).pictures} == before
    assert decoded_sides == []


def test_facts_do_not_depend_on_the_side_of_the_square(drawings: Path, tmp_path: Path) -> None:
    catalogs = []
    for px in (32, 96, HASHED_PX, 300):
        with Cache(tmp_path / f"cache {px}") as cache:
            catalogs.append(read(drawings, cache, Sink(), DecodeSettings(image_px=px)))
    assert catalogs == [catalogs[0]] * 4


def test_damaged_facts_are_found_out_again(root: Path, tmp_path: Path) -> None:
    with Cache(tmp_path / "cache") as cache:
        first = read(root, cache)
    file = tmp_path / "cache" / "entries-1.sqlite"
    file.write_bytes(bytes(byte ^ 1 if place > 8192 else byte for place, byte in enumerate(file.read_bytes())))
    with Cache(tmp_path / "cache") as cache:
        assert read(root, cache) == first


def test_facts_are_stored_in_portions(
    root: Path, cache: Cache, decoded_sides: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_module, "_WRITE_EVERY", 2)
    first = read(root, cache)
    decoded_sides.clear()
    assert read(root, cache) == first
    assert decoded_sides == []


class Listener:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None, str]] = []
        self.done = 0

    def stage(self, name: str, total: int | None, unit: str = "") -> Listener:
        self.stages.append((name, total, unit))
        return self

    def __enter__(self) -> Step:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def advance(self, steps: int = 1) -> None:
        self.done += steps

    def note(self, text: str) -> None:
        return None

    def say(self, line: str) -> None:
        return None


def test_progress_is_told_of_every_file(root: Path, cache: Cache) -> None:
    put(root, {"cats/bad.jpg": b""})
    listener = Listener()
    read_dataset(find(root), SMALL, cache=cache, threads=2, progress=listener, allow_missing=1)
    assert listener.stages == [("Reading pictures", 7, "pictures")]
    assert listener.done == 7


def test_nothing_in_the_users_folder_is_touched(root: Path, cache: Cache) -> None:
    put(root, {"cats/bad.jpg": b"bad"})

    def state() -> dict[str, tuple[bytes, int]]:
        files = [path for path in root.rglob("*") if path.is_file()]
        return {path.name + path.parent.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = state()
    read(root, cache, Sink())
    assert state() == before


class Warned(Silent):
    """A progress that keeps the lines it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


READ = [f"cats/{number}.jpg" for number in range(900)]
BAD = "50.1 megapixels, 50 allowed: --max-megapixels 60"


@pytest.mark.parametrize(
    ("lost", "allowed", "warned", "refused"),
    [(0, 0.1, False, False), (9, 0.1, False, False), (10, 0.1, True, False), (100, 0.1, True, False),
     (101, 0.1, False, True), (101, 0.2, True, False), (1, 0.0, False, True), (5000, 1.0, True, False)],
)  # fmt: skip
def test_lost_pictures_are_a_warning_and_then_an_error(lost: int, allowed: float, warned: bool, refused: bool) -> None:
    left_out, progress = [LeftOut(f"dogs/{number}.JPG", BAD) for number in range(lost)], Warned()
    if refused:
        with pytest.raises(BadDataset) as error:
            check_losses(left_out, READ, allowed, progress)
        assert says(error.value.what, lost, f"{900 + lost:,}")
        assert says(error.value.why, f"{lost} .jpg ({BAD})")
        assert says(error.value.fix, "--allow-missing ")
        share = int(error.value.fix.rpartition(" ")[2].removesuffix("%")) / 100
        check_losses(left_out, READ, share)
    else:
        check_losses(left_out, READ, allowed, progress)
    assert len(progress.lines) == warned
    assert not warned or says(progress.lines[0], "WARNING", f"{lost:,}", f"{900 + lost:,}", "--max-megapixels 60")


@pytest.mark.parametrize(
    "file",
    [
        LeftOut("cats/notes.txt", "not a picture"),
        LeftOut("cats/clip.mov", "a video (MP4) is not read"),
        LeftOut("cats/._1.jpg", "hidden"),
        LeftOut("elsewhere/1.jpg", "outside train, validation"),
        LeftOut("cats/1.CR2", "unreadable"),  # beside the JPEG of the same shot
    ],
)
def test_what_is_no_picture_of_its_own_is_no_loss(file: LeftOut) -> None:
    assert losses([file], READ)[0] == 0


@pytest.mark.parametrize(
    "file",
    [
        LeftOut("cats/.x.jpg.icloud", NOT_DOWNLOADED),
        LeftOut("cats/IMG_1.HEIC", "HEIC is not read"),
        LeftOut("cats/without-ending", "truncated"),
        LeftOut("cats/x.jpg", "permission denied"),
        LeftOut("cats/x.CR2", "unreadable"),
    ],
)
def test_what_is_a_picture_by_its_ending_or_content_is_a_loss(file: LeftOut) -> None:
    assert losses([file], READ)[0] == pytest.approx(1 / 901)


def test_too_many_lost_pictures_end_the_reading(root: Path, cache: Cache) -> None:
    put(root, {"cats/bad.jpg": b""})
    with pytest.raises(BadDataset) as error:
        read_dataset(find(root), SMALL, cache=cache, threads=2)
    assert says(error.value, "1 of 7", "1 .jpg (empty)", "--allow-missing 15%")
    progress = Warned()
    read_dataset(find(root), SMALL, cache=cache, threads=2, progress=progress, allow_missing=1, data="my pets")
    assert says(progress.lines, "WARNING", "1 of 7", "pawsight inspect 'my pets'")


def test_a_picture_that_was_read_with_a_larger_limit_is_refused_by_a_smaller_one(root: Path, cache: Cache) -> None:
    put(root, {"cats/large.png": encoded(drawn(9, (1500, 1000)))})
    sink = Sink(lambda sha256: False)
    assert len(read(root, cache, sink).pictures) == 7
    dataset = read(root, cache, sink, DecodeSettings(image_px=32, max_megapixels=1))
    assert [file.reason for file in dataset.left_out] == ["1.5 megapixels, 1 allowed: --max-megapixels 10"]


def test_a_share_that_is_gone_ends_the_reading(root: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, {f"cats/{number}.png": encoded(drawn(number)) for number in range(10, 99)})
    reads = []

    def stale(path: Path) -> bytes:
        reads.append(path)
        raise UnreadablePicture("", os.strerror(errno.ESTALE).lower())

    monkeypatch.setattr(dataset_module, "read_regular_file", stale)
    with pytest.raises(StorageError) as error:
        read(root, cache)
    assert says(error.value, "3 files", os.strerror(errno.ESTALE).lower(), "cats/0.png")
    assert len(reads) < 60


def test_what_was_read_before_a_share_failed_is_kept_and_no_thread_goes_on(
    root: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, {f"dogs/{number}.png": encoded(drawn(number)) for number in range(10, 40)})

    def stale(path: Path) -> bytes:
        if path.parent.name == "dogs":
            raise UnreadablePicture("", os.strerror(errno.ESTALE).lower())
        return path.read_bytes()

    monkeypatch.setattr(dataset_module, "read_regular_file", stale)
    with pytest.raises(StorageError) as error:
        read(root, cache)
    assert error.tb is not None  # which would keep an iterator alive that nobody closed
    assert THREAD_NAME not in {thread.name for thread in threading.enumerate()}
    cats = [sha256_of(path.read_bytes()) for path in (root / "cats").iterdir()]
    assert len(cats) == 3
    assert all(known_facts(cache, sha256, DecodeSettings()) for sha256 in cats)


def test_a_folder_that_the_disk_cannot_list_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def broken(path: Path) -> object:
        if Path(path).name == "dogs":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(StorageError, match="dogs"):
        find(root)


def pictures(*rows: tuple[str, str, str]) -> tuple[Picture, ...]:
    facts = Facts(1, 1, "PNG", 1, 0, ImageStatistics(0.0, 0.0, 0.0, 0.0, "", 1))
    return tuple(Picture(Path(name), name, label, None, sha256, facts) for name, sha256, label in rows)


def test_the_fingerprint_is_of_contents_and_labels_alone() -> None:
    rows = [("a.jpg", "11", "cat"), ("b.jpg", "22", "dog")]
    one = Dataset(Path("x"), pictures(*rows), ()).fingerprint
    assert len(one) == 64
    renamed = [("z.jpg", "22", "dog"), ("y.jpg", "11", "cat")]
    assert Dataset(Path("y"), pictures(*renamed), (LeftOut("n", "empty"),)).fingerprint == one
    for changed in ([("a.jpg", "11", "cat")], [*rows, rows[0]], [("a.jpg", "12", "cat"), rows[1]],
                    [("a.jpg", "11", "dog"), rows[1]]):  # fmt: skip
        assert Dataset(Path("x"), pictures(*changed), ()).fingerprint != one


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 are a Linux matter")
def test_names_that_are_not_utf_8_are_read_like_others(root: Path, cache: Cache) -> None:
    put(root, {os.fsdecode(b"caf\xe9/\xff.png"): encoded(drawn(5))})
    dataset = read(root, cache)
    assert os.fsencode(dataset.classes[0]) == b"caf\xe9"
    assert len(dataset.fingerprint) == 64


ROOT = Path("/home/me/photos")


def found(
    *names: str,
    folders: Sequence[str] | None = None,
    loose: Sequence[str] = (),
    left_out: Sequence[LeftOut] = (),
    part: str | None = None,
) -> Found:
    """What a walk would find: each name is a file in the folder of its class."""
    candidates = tuple(Candidate(ROOT / name, name, name.rpartition("/")[0], part) for name in names)
    labels = tuple(sorted({candidate.label for candidate in candidates})) if folders is None else tuple(folders)
    return Found(ROOT, candidates, tuple(left_out), tuple(loose), labels)


def refusal(kind: type[DataError], *arguments: object) -> DataError:
    """The error of the check for so many arguments; it names the folder and says what to do."""
    check = check_found if len(arguments) == 1 else check_classes
    with pytest.raises(DataError) as caught:
        check(*arguments)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert str(ROOT) in caught.value.what
    assert caught.value.fix
    return caught.value


def after_reading(one: Found, counts: dict[str, int], left_out: Sequence[LeftOut] = ()) -> tuple[object, ...]:
    return one, counts, left_out, set(counts)


def test_two_classes_with_files_pass() -> None:
    one = found("cats/1.jpg", "dogs/1.jpg")
    assert check_found(one) is None
    assert check_classes(one, {"cats": 1, "dogs": 1}, (), {"cats", "dogs"}) is None


def test_nothing_at_all() -> None:
    told = refusal(NoPictures, found())
    assert "no files" in told.why
    assert READABLE_NAMES in told.why
    assert "photos/cats/1.jpg" in told.fix


def test_nothing_but_hidden_files() -> None:
    hidden = [LeftOut(".DS_Store", "hidden"), LeftOut("__MACOSX", "hidden")]
    assert "2 without an ending (hidden)" in refusal(NoPictures, found(left_out=hidden)).why


def test_nothing_that_can_be_read() -> None:
    one = found("cats/1.heic", "dogs/1.heic")
    left_out = [LeftOut(f"cats/{n}.HEIC", "HEIC is not read") for n in range(212)]
    left_out += [LeftOut(f"dogs/{n}.txt", "not a picture") for n in range(3)]
    told = refusal(NoPictures, one, {}, left_out, ())
    assert "212 .heic (HEIC is not read), " in told.why
    assert "3 .txt (not a picture)" in told.why
    assert "convert" in told.fix


def test_of_many_kinds_the_commonest_are_shown() -> None:
    left_out = [LeftOut(f"a/{n}.k{kind}", "not a picture") for kind in range(8) for n in range(1000 * (9 - kind))]
    why = refusal(NoPictures, found("a/1.k0", "b/1.k0"), {}, left_out, ()).why
    shown = [("9,000", "k0"), ("8,000", "k1"), ("7,000", "k2"), ("6,000", "k3"), ("5,000", "k4")]
    assert re.findall(r"([\d,]+) \.(\w+) \(", why) == shown
    assert "and 3 other kinds" in why


def test_one_picture_and_no_class_folder() -> None:
    told = refusal(BadDataset, found(loose=["tom.jpg"]))
    assert told.what.startswith("1 picture ")
    assert told.why.endswith(": tom.jpg.")
    assert "photos/cats/1.jpg" in told.fix


def test_many_pictures_and_no_class_folders() -> None:
    told = refusal(BadDataset, found(loose=[f"{n}.jpg" for n in range(1, 1301)]))
    assert told.what.startswith("1,300 pictures ")
    assert re.findall(r"\d+\.jpg", told.why) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    assert told.why.endswith(" and 1,295 more.")


@pytest.mark.parametrize(("first", "second"), [("Cats", "cats"), ("STRASSE", "straße"), ("ﬁsh", "Fish")])
def test_folders_that_differ_in_case_alone(first: str, second: str) -> None:
    labels = sorted([first, second])
    what = refusal(BadDataset, found(f"{first}/1.jpg", f"{second}/1.jpg", "dogs/1.jpg")).what
    assert f"{labels[0]!r} and {labels[1]!r}" in what
    assert "upper and lower case" in what


def test_one_class_only() -> None:
    before = refusal(BadDataset, found("cats/1.jpg", "cats/2.jpg"))
    assert before.what.endswith(": 'cats'.")
    assert "photos/cats/1.jpg and photos/dogs/1.jpg" in before.fix
    assert str(refusal(BadDataset, found("cats/1.jpg"), {"cats": 1}, (), {"cats"})) == str(before)


def test_an_empty_folder_is_told_before_anything_is_read() -> None:
    told = refusal(BadDataset, found("cats/1.jpg", folders=["birds", "cats"]))
    assert told.what.startswith("Class 'birds' in ")
    assert told.why == "The folder is empty."


def test_a_folder_with_hidden_files_alone_is_told_so() -> None:
    one = found("cats/1.jpg", folders=["birds", "cats"], left_out=[LeftOut("birds/.DS_Store", "hidden")])
    told = refusal(BadDataset, one)
    assert told.what.startswith("Class 'birds' in ")
    assert "1 without an ending (hidden)" in told.why


def test_a_class_of_which_nothing_could_be_read() -> None:
    one = found("birds/1.jpg", "cats/1.jpg", "dogs/1.jpg")
    left_out = [LeftOut("birds/1.jpg", "truncated"), LeftOut("cats/2.gif", "unreadable")]
    told = refusal(BadDataset, *after_reading(one, {"cats": 1, "dogs": 1}, left_out))
    assert told.what.startswith("Class 'birds' in ")
    assert told.why == "Found instead: 1 .jpg (truncated)."


def test_in_parts_the_files_of_an_unreadable_class_are_found_as_well() -> None:
    one = found("a/birds/1.jpg", "cats/1.jpg", "dogs/1.jpg")
    left_out = [LeftOut("train/a/birds/1.jpg", "empty"), LeftOut("validation/a/birds/2.jpg", "empty")]
    told = refusal(BadDataset, *after_reading(one, {"cats": 1, "dogs": 1}, left_out))
    assert told.why == "Found instead: 2 .jpg (empty)."


def test_several_classes_of_which_nothing_could_be_read() -> None:
    one = found(*[f"c{n}/1.jpg" for n in range(9)])
    left_out = [LeftOut(f"c{n}/1.jpg", "empty") for n in range(2, 9)]
    told = refusal(BadDataset, *after_reading(one, {"c0": 1, "c1": 1}, left_out))
    assert re.findall(r"'(\w+)'", told.what) == ["c2", "c3", "c4", "c5", "c6"]
    assert " and 2 more " in told.what
    assert told.why == "Found instead: 7 .jpg (empty)."


def is_untaught(told: DataError) -> bool:
    """Whether it is told that foxes have nothing to learn from, and where to put it."""
    return bool(re.fullmatch(r"Class 'foxes' in .* in train\.", told.what)) and "into train" in told.fix


def test_a_class_that_only_validation_has_is_told_before_anything_is_read() -> None:
    train, validation = found("cats/1.jpg", "dogs/1.jpg", part="train"), found("foxes/1.jpg", part="validation")
    one = Found(ROOT, train.candidates + validation.candidates, (), (), ("cats", "dogs", "foxes"))
    assert is_untaught(refusal(BadDataset, one))


def test_a_class_whose_training_pictures_cannot_be_read_is_told() -> None:
    one = found("cats/1.jpg", "dogs/1.jpg", "foxes/1.jpg", part="train")
    counts = Counter(cats=2, dogs=2, foxes=1)
    assert is_untaught(refusal(BadDataset, one, counts, (), {"cats", "dogs"}))


def test_validation_without_any_training_is_told() -> None:
    told = refusal(BadDataset, found("cats/1.jpg", "dogs/1.jpg", part="validation"))
    assert told.what.startswith("Classes 'cats', 'dogs' in ")
    assert told.what.endswith(" in train.")

"""Public data sets as they are unpacked, rebuilt in small: each is read as its makers meant it, or refused with what
to type. A layout that could be read in two ways never gives a wrong answer with exit status 0."""

from __future__ import annotations

import io
import json
import re
import shlex
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from pawsight.cli import cli
from pawsight.sample import draw

from ..conftest import says

PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Layout:
    """The files of a data set and what is right for it.

    Where `asks` names options or words, a refusal that has them is right; the command that it gives is then typed, and
    has to give the classes, unless there are none: then nothing that could be typed would be right.
    """

    files: tuple[str, ...]  # below DATA; {a,b} and {1..5} as in a shell
    counts: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)  # of the split, where the folders give one
    asks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # named where it is read
    texts: dict[str, str] = field(default_factory=dict)  # of files that are no pictures; of others their name
    options: tuple[str, ...] = ()  # typed with DATA


RAVEN, LYNX = "Animalia/Chordata/Aves/Corvidae/Corvus/corax", "Animalia/Chordata/Mammalia/Felidae/Lynx/rufus"
OAK, ROSE = (
    "Plantae/Tracheophyta/Magnoliopsida/Fagaceae/Quercus/alba",
    "Plantae/Tracheophyta/Magnoliopsida/Rosaceae/Rosa/canina",
)
SPECIES = (RAVEN, LYNX, OAK, ROSE)
TILES = "MT_{Blowhole,Break,Free}/Imgs/exp1_num_{1..4}.{jpg,png}"
EIGHT = "".join(f"{number:04d}.png,{('cats', 'dogs')[number % 2]}\n" for number in range(1, 9))

LAYOUTS = {
    "kaggle-dogs-vs-cats": Layout(
        ("train/{cat,dog}.{0..5}.jpg", "test1/{1..4}.jpg", "sampleSubmission.csv"),
        {"cat": 6, "dog": 6},
        asks=("--class-from",),
    ),
    "cats-and-dogs-filtered": Layout(
        (
            "train/cats/cat.{0..3}.jpg",
            "train/dogs/dog.{0..3}.jpg",
            "vectorize.py",
            "validation/cats/cat.{2000..2001}.jpg",
            "validation/dogs/dog.{2000..2001}.jpg",
        ),
        {"cats": 6, "dogs": 6},
        {"train": 8},
    ),
    "intel-scenes": Layout(
        (
            "seg_train/seg_train/{buildings,forest,street}/{10..15}.jpg",
            "seg_pred/seg_pred/{30..33}.jpg",
            "seg_test/seg_test/{buildings,forest,street}/{20..21}.jpg",
        ),
        {"buildings": 8, "forest": 8, "street": 8},
        {"test": 6},
        notes=("seg_pred",),
    ),
    "imagenet": Layout(
        (
            "train/{n01440764,n01443537}/n0144_{1..5}.JPEG",
            "val/{n01440764,n01443537}/ILSVRC2012_val_0000{6..8}.JPEG",
            "test/ILSVRC2012_test_0000{1..4}.JPEG",
            "LOC_synset_mapping.txt",
            "LOC_val_solution.csv",
        ),
        {"n01440764": 8, "n01443537": 8},
        {"train": 10},
        notes=("predict",),
    ),
    "oxford-pets": Layout(
        ("{Abyssinian,Maine_Coon,great_pyrenees}_{1..3}.jpg", "{Abyssinian,Maine_Coon}_100.jpg"),
        {"Abyssinian": 4, "Maine_Coon": 4, "great_pyrenees": 3},
        asks=("--class-from",),
    ),
    "oxford-pets-whole": Layout(
        (
            "images/{Abyssinian,great_pyrenees}_{1..4}.jpg",
            "annotations/trimaps/{Abyssinian,great_pyrenees}_{1..4}.png",
            "annotations/xmls/Abyssinian_1.xml",
            "annotations/{list,test,trainval}.txt",
            "annotations/README",
        ),
        {"Abyssinian": 4, "great_pyrenees": 4},
        asks=("--class-from",),
    ),
    "flowers-102": Layout(("jpg/image_0000{1..8}.jpg", "imagelabels.mat", "setid.mat"), asks=("imagelabels.mat",)),
    "magnetic-tiles": Layout(
        (TILES, "README.md"), {"MT_Blowhole": 4, "MT_Break": 4, "MT_Free": 4}, options=("--only", "*.jpg")
    ),
    "magnetic-tiles-with-masks": Layout(
        (TILES, "README.md"), {"MT_Blowhole": 8, "MT_Break": 8, "MT_Free": 8}, notes=("--only", "*.jpg")
    ),
    "roboflow": Layout(
        (
            "train/{daisy,rose}/IMG_{1..5}_jpg.rf.0a1b.jpg",
            "valid/{daisy,rose}/IMG_{6..7}_jpg.rf.0a1b.jpg",
            "test/{daisy,rose}/IMG_8_jpg.rf.0a1b.jpg",
            "README.{dataset,roboflow}.txt",
            "data.yaml",
        ),
        {"daisy": 8, "rose": 8},
        {"train": 10, "validation": 4, "test": 2},
    ),
    "roboflow-boxes": Layout(
        ("{train,valid,test}/images/IMG_{1..4}.jpg", "{train,valid,test}/labels/IMG_{1..4}.txt", "data.yaml"),
        asks=("train/images/IMG_1.jpg",),
    ),
    "hugging-face": Layout(
        ("train/000{1..8}.png", "train/metadata.csv"),
        {"cats": 4, "dogs": 4},
        asks=("metadata.csv",),
        texts={"train/metadata.csv": f"file_name,label\n{EIGHT}"},
    ),
    "inaturalist": Layout(
        tuple(f"{species}/{{1..3}}.jpg" for species in SPECIES),
        {"Animalia": 6, "Plantae": 6},
        notes=("--class-depth",),
    ),
    "inaturalist-species": Layout(
        tuple(f"{species}/{{1..3}}.jpg" for species in SPECIES),
        {"alba": 3, "canina": 3, "corax": 3, "rufus": 3},
        options=("--class-depth", "6"),
    ),
    "phone": Layout(
        (
            "DCIM/100APPLE/IMG_000{1..5}.JPG",
            "DCIM/101APPLE/IMG_100{1..5}.JPG",
            "DCIM/100APPLE/IMG_0001.{MOV,AAE}",
            "DCIM/.thumbnails/{1..2}.jpg",
        ),
        asks=("predict",),
    ),
    "nas": Layout(
        (
            "{cats,dogs}/{1..4}.jpg",
            "{cats,dogs}/@eaDir/{1..3}.jpg/SYNOPHOTO_THUMB_M.jpg",
            "{cats,dogs}/Thumbs.db",
            "#recycle/cats/9.jpg",
            "@eaDir/cats@SynoEAStream",
            "lost+found/",
            "System Volume Information/WPSettings.dat",
            "$RECYCLE.BIN/S-1-5-21/$R1.jpg",
            ".DS_Store",
            "desktop.ini",
            "cats/._1.jpg",
            "#snapshot/cats/1.jpg",
        ),
        {"cats": 4, "dogs": 4},
    ),
}


TWO = {"apples": 8, "boxes": 8}
SITUATIONS = {  # how people name and nest their folders
    "numbers": Layout(("{1..12}/{1..3}.jpg",), {str(number): 3 for number in range(1, 13)}),
    "dates": Layout(("{cats,dogs}/{2023/05,2024/01}/{1..3}.jpg",), {"cats": 6, "dogs": 6}, notes=("--class-depth",)),
    "breeds-of-one": Layout(
        ("cats/{1..4}.jpg", "dogs/{poodle,beagle}/{1..3}.jpg"), {"cats": 4, "dogs": 6}, notes=("--class-depth",)
    ),
    "more-of-one": Layout(("cats/{1..4}.jpg", "cats/more/{1..3}.jpg", "dogs/{1..4}.jpg"), {"cats": 7, "dogs": 4}),
    "images-in-each": Layout(
        ("{train,val}/{cats,dogs}/images/{1..4}.jpg",), {"cats": 8, "dogs": 8}, {"train": 8}, notes=("images",)
    ),
    "patients": Layout(
        ("benign/patient0{1..4}/{1..2}.jpg", "malignant/patient1{1..4}/{1..2}.jpg"),
        {"benign": 8, "malignant": 8},
        notes=("patient", "--split"),
    ),
    "super-classes": Layout(
        ("animals/{cats,dogs}/{1..4}.jpg", "plants/{trees,flowers}/{1..4}.jpg"),
        {"animals": 8, "plants": 8},
        notes=("--class-depth 2",),
    ),
    "kaggle-parts": Layout(("{Training,Testing}/{apples,boxes}/{1..4}.jpg",), TWO, {"test": 8}),
    "upper-parts": Layout(("{TRAIN,VAL}/{apples,boxes}/{1..4}.jpg",), TWO, {"train": 8}),
    "sets": Layout(("{train_set,test_set}/{apples,boxes}/{1..4}.jpg",), TWO, {"test": 8}),
    "images-of-parts": Layout(("{train_images,val_images}/{apples,boxes}/{1..4}.jpg",), TWO, {"train": 8}),
    "plural-parts": Layout(("{train,validations}/{apples,boxes}/{1..4}.jpg",), TWO, {"train": 8}),
    "numbered-parts": Layout(("{1_train,2_val}/{apples,boxes}/{1..4}.jpg",), TWO, {"train": 8}),
    "dev-and-eval": Layout(("{train,dev,eval}/{apples,boxes}/{1..4}.jpg",), {"apples": 12, "boxes": 12}, {"train": 8}),
    "unknown-part": Layout(
        ("{train,batch_two}/{apples,boxes}/{1..4}.jpg",), TWO, {"test": 8}, asks=("--parts", "batch_two=")
    ),
    "only-train": Layout(("train/{apples,boxes}/{1..8}.jpg",), TWO),
    "unlabelled-test": Layout(
        ("train/{apples,boxes}/{1..8}.jpg", "test/{1..5}.jpg"), TWO, notes=("5 pictures", "predict")
    ),
    "unknown-test": Layout(("train/{apples,boxes}/{1..8}.jpg", "test/unknown/{1..5}.jpg"), TWO, notes=("predict",)),
    "class-of-validation-alone": Layout(
        ("train/{apples,boxes}/{1..4}.jpg", "val/{apples,boxes,tents}/{1..4}.jpg"), asks=("tents",)
    ),
    "own-outputs": Layout(("{apples,boxes}/{1..8}.jpg", "runs/001/{1..3}.png", "explained/{1..3}.png"), TWO),
    "table-beside": Layout(("{apples,boxes}/{1..8}.jpg", "labels.csv", "classes.txt"), TWO, notes=("labels.csv",)),
    "pictures-beside": Layout(("{apples,boxes}/{1..8}.jpg", "logo.jpg"), TWO, notes=("1 picture", "logo.jpg")),
    "train-and-unlabelled": Layout(
        ("train/{apples,boxes}/{1..8}.jpg", "unlabeled/{1..5}.jpg"), TWO, asks=("'train'", "--parts none")
    ),
    "labelled-and-unlabelled": Layout(
        ("wrap/labeled/{apples,boxes}/{1..8}.jpg", "wrap/unlabeled/{1..5}.jpg"), TWO, asks=("'unlabeled'",)
    ),
    "unlabelled-test-beside-classes": Layout(
        ("wrap/{apples,boxes}/{1..8}.jpg", "wrap/Test/{1..3}.jpg"), TWO, asks=("'Test'", "--ignore", "predict")
    ),
    "test-beside-classes": Layout(
        ("{apples,boxes}/{1..8}.jpg", "test/{apples,boxes}/{1..3}.jpg"), TWO, asks=("'test'", "--ignore")
    ),
    "spanish-parts": Layout(("{entrenamiento,prueba}/{apples,boxes}/{1..4}.jpg",), TWO, {"test": 8}),
    "chinese-parts": Layout(("{训练集,测试集}/{apples,boxes}/{1..4}.jpg",), TWO, {"test": 8}),
    "years-above": Layout(
        ("{2021,2022}/{apples,boxes}/{1..4}.jpg",), {"2021": 8, "2022": 8}, notes=("dates", "--class-depth 2")
    ),
    "numbered-images": Layout(
        ("images_{001,002}/images/{apple,box}_{1..4}.jpg",), {"apple": 8, "box": 8}, asks=("--class-from",)
    ),
    "pairs-with-masks": Layout(("images/{1..4}.jpg", "masks/{1..4}.png"), asks=("masks", "--ignore")),
}


def expanded(pattern: str) -> Iterator[str]:
    """Expand {a,b} and {1..5} as a shell does."""
    choice = re.search(r"\{([^{}]*)\}", pattern)
    if choice is None:
        yield pattern
        return
    ends = choice[1].split("..")
    words = map(str, range(int(ends[0]), int(ends[1]) + 1)) if len(ends) == 2 else choice[1].split(",")
    for word in words:
        yield from expanded(pattern[: choice.start()] + word + pattern[choice.end() :])


@cache
def picture(kind: str, index: int, ending: str) -> bytes:
    """The bytes of a small drawing."""
    file = io.BytesIO()
    draw(kind, seed=index, index=len(ending), sides=(64, 96)).save(file, "PNG" if ending == ".png" else "JPEG")
    return file.getvalue()


def build(layout: Layout, root: Path) -> Path:
    """Write a layout below a folder; every picture differs from all others."""
    for index, name in enumerate(name for pattern in layout.files for name in expanded(pattern)):
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if name in layout.texts:
            path.write_text(layout.texts[name], encoding="utf-8")
        elif path.suffix.lower() in PICTURES and not path.name.startswith("._"):
            path.write_bytes(picture(("cats", "dogs")[index % 2], index, path.suffix.lower()))
        elif not name.endswith("/"):
            path.write_text(name, encoding="utf-8")
    return root


def zipped(root: Path, target: Path) -> Path:
    """Pack a folder as people do, with its own name above all."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root.parent))
    return target


def inspected(*words: object):
    result = CliRunner().invoke(cli, ["inspect", *map(str, words), "--json"], prog_name="pawsight")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def what_to_type(message: str) -> tuple[str, ...]:
    """The arguments of the first command that a refusal gives."""
    command = re.search(r"pawsight (?:train|inspect) (.+?)\s*$", message, re.MULTILINE)
    assert command, f"no command to type in:\n{message}"
    return tuple(shlex.split(command[1]))


def check(layout: Layout, data: Path) -> None:
    """See that DATA gives the right classes and parts, or a question whose answer, typed, gives them."""
    result = inspected(data, *layout.options)
    asked = ""
    while result.exit_code and len(asked) < 5_000:
        assert result.stdout == ""
        asked += result.stderr
        if not layout.counts:
            break
        result = inspected(*what_to_type(result.stderr))
    assert says(asked, *layout.asks), asked
    assert layout.asks or not asked, asked
    if not layout.counts:
        assert result.exit_code == 1
        return
    answer = json.loads(result.stdout)
    assert list(answer["counts"].items()) == list(layout.counts.items())
    assert {part: answer["split"][part] for part in layout.parts} == layout.parts
    assert says(result.stderr, *layout.notes), result.stderr


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_public_data_set_is_read_as_it_is_meant_or_refused_with_what_to_type(
    name: str, packed: bool, tmp_path: Path
) -> None:
    data = build(LAYOUTS[name], tmp_path / name)
    check(LAYOUTS[name], zipped(data, tmp_path / f"{name}.zip") if packed else data)


@pytest.mark.parametrize("name", SITUATIONS)
def test_folders_as_people_have_them_give_no_wrong_result(name: str, tmp_path: Path) -> None:
    check(SITUATIONS[name], build(SITUATIONS[name], tmp_path / name))


def test_archives_in_a_folder_without_pictures_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "train.zip").write_bytes(b"PK")
    result = inspected(tmp_path)
    assert result.exit_code == 1
    assert says(result.stderr, "train.zip", "Unpack")

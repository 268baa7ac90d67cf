"""Lists of pictures that users write, good and bad, and the files that their paths mean."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shlex
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.core.errors import BadDataset, DownloadFailed, NoPictures, PawsightError, StorageError, WrongUsage
from pawsight.data.found import Found
from pawsight.data.picture_lists import locate, read_list

from ..conftest import says


@pytest.fixture
def write(tmp_path):
    def written(content: str | bytes) -> Path:
        path = tmp_path / "pets.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize("comma", [",", ";", "\t"])
def test_paths_and_labels_are_read(write, tmp_path, newline, mark, comma):
    lines = ["path,label", "cats/1.jpg,cat", "", '"dogs/ä, 2.jpg", dog ', "/else/where.jpg,Katze"]
    text = newline.join(lines).replace(",", comma)
    found = read_list(write(mark + text))
    assert [(picture.path, picture.name, picture.label, picture.part) for picture in found.candidates] == [
        (Path("/else/where.jpg"), "/else/where.jpg", "Katze", None),
        (tmp_path / "cats/1.jpg", "cats/1.jpg", "cat", None),
        (tmp_path / f"dogs/ä{comma} 2.jpg", f"dogs/ä{comma} 2.jpg", "dog", None),
    ]
    assert (found.root, found.folders, found.loose, found.left_out) == (tmp_path, ("Katze", "cat", "dog"), (), ())


def test_of_a_label_patch_dropped_pictures_are_left_out_and_marks_before_formulas_are_none(write):
    rows = ["path,sha256,action,label,when", "'=a.jpg,0,relabel,'+1,", "b.jpg,1,drop,,", "c.jpg,2,relabel,drop,"]
    found = read_list(write("\n".join(rows)))
    assert [(file.name, file.label) for file in found.candidates] == [("=a.jpg", "+1"), ("c.jpg", "drop")]


def test_paths_of_the_list_of_a_run_start_where_its_pictures_were_read_from(write, tmp_path):
    run = tmp_path / "runs" / "001"
    run.mkdir(parents=True)
    (run / "source.json").write_text(json.dumps({"root": str(tmp_path / "photos")}))
    write("path,sha256,label,part\ncats/1.jpg,a,cat,train\n/new/1.jpg,b,dog,test\n").rename(run / "splits.csv")
    found = read_list(run / "splits.csv")
    assert [picture.path for picture in found.candidates] == [Path("/new/1.jpg"), tmp_path / "photos" / "cats/1.jpg"]
    assert found.root == tmp_path / "photos"
    (run / "source.json").unlink()
    assert read_list(run / "splits.csv").root == run


def test_labels_are_composed(write):
    (picture,) = read_list(write(f"path,label\na.jpg,{unicodedata.normalize('NFD', 'Kätzchen')}\n")).candidates
    assert picture.label == unicodedata.normalize("NFC", "Kätzchen")


def test_parts_are_read_and_other_columns_are_not(write, tmp_path):
    listed = read_list(
        write("Label,note,PART,Path\ncat,x,train,1.jpg\ndog,,Validation,2.jpg\ncat,,test,3.jpg\n")
    ).candidates
    assert [(item.label, item.part, item.path.name) for item in listed] == [
        ("cat", "train", "1.jpg"),
        ("dog", "validation", "2.jpg"),
        ("cat", "test", "3.jpg"),
    ]


def test_a_line_said_twice_counts_once(write):
    path = write("path,label\n1.jpg,cat\n./1.jpg,cat\nx/../1.jpg,cat\n")
    assert [candidate.label for candidate in read_list(path).candidates] == ["cat"]


def test_all_problems_are_told_together(write):
    path = write("path,label,part\n1.jpg,,train\n,cat,train\n2.jpg,cat,exam\n3.jpg\n4.jpg,cat,\n5.jpg,dog,test\n")
    with pytest.raises(BadDataset) as caught:
        read_list(path)
    assert f"{path} has 5 problems" in caught.value.what
    problems = [line.split(": ", 1) for line in caught.value.why.splitlines()]
    assert [line for line, _ in problems] == ["Line 2", "Line 3", "Line 4", "Line 5", "Line 6"]
    facts = ("label of '1.jpg'", "path is empty", "'exam'", "1 of 3", "part is empty")
    assert all(fact in problem for fact, (_, problem) in zip(facts, problems, strict=True))
    assert caught.value.fix.splitlines()[1:] == ["path,label", "cats/1.jpg,cat", "dogs/1.jpg,dog"]


def test_a_picture_with_two_labels_or_parts_is_named(write, tmp_path):
    with pytest.raises(BadDataset) as caught:
        read_list(write("path,label\ncats/1.jpg,cat\n2.jpg,dog\ncats/../cats/1.jpg,dog\n"))
    assert caught.value.why.startswith(f"Line 4: {str(tmp_path / 'cats/../cats/1.jpg')!r} ")
    assert caught.value.why.endswith("'dog' here and 'cat' in line 2.")
    with pytest.raises(BadDataset, match=r"part test here .* part train in line 2"):
        read_list(write("path,label,part\n1.jpg,cat,train\n1.jpg,cat,test\n"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("cats/1.jpg,cat\n", "Line 1: there is no column 'path'; the columns are 'cats/1.jpg', 'cat'."),
        ("path,breed\n1.jpg,cat\n", "Line 1: there is no column 'label'; the columns are 'path', 'breed'."),
        ("file_name,image,label\n1.jpg,2.jpg,cat\n", "Line 1: there are 2 columns for path: 'file_name', 'image'."),
        ("", "the columns are none"),
        ("path,label,label\n1.jpg,cat,dog\n", "Line 1: there are 2 columns called label."),
        ('path,label\n"1.jpg,cat\n2.jpg,dog\n', "the quotes do not match"),
        ('path,label\n"1.jpg"x,cat\n', "Line 2: the quotes do not match"),
        ("path,label\n1\0.jpg,cat\n", "Line 2: the path has a NUL character in it."),
        ("path,label\n1.jpg,cat\n" + "x" * 20_000 + ",dog\n", "Line 3: it is longer than 16,384 characters."),
    ],
)
def test_a_file_that_is_no_list_is_said_to_be_none(write, content, why):
    with pytest.raises(BadDataset) as caught:
        read_list(write(content))
    assert why in str(caught.value)


def test_only_the_first_twenty_problems_are_spelt_out(write):
    with pytest.raises(BadDataset) as caught:
        read_list(write("path,label\n" + "1.jpg,\n" * 333))
    assert caught.value.what.split()[1:4] == ["has", "333", "problems;"]
    assert caught.value.why.splitlines()[19:] == ["Line 21: the label of '1.jpg' is empty.", "And 313 more."]


def test_lines_beyond_the_limit_are_refused(write):
    path = write("path,label\n1.jpg,cat\n2.jpg,cat\n")
    assert len(read_list(path, max_lines=3).candidates) == 2
    with pytest.raises(BadDataset, match="the limit is 2 lines"):
        read_list(path, max_lines=2)


def test_a_header_alone_lists_nothing(write):
    with pytest.raises(NoPictures, match="lists no pictures"):
        read_list(write("path,label\n"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_other_encodings_are_read_and_a_guess_is_noted(write, encoding):
    found = read_list(write("path,label\n1.jpg,Kätzchen\n2.jpg,dog\n".encode(encoding)))
    assert [candidate.label for candidate in found.candidates] == ["Kätzchen", "dog"]
    assert [("Windows-1252" in note, "'Kätzchen'" in note) for note in found.notes] == [(True, True)] * (
        encoding == "cp1252"
    )


def test_bytes_that_are_no_text_are_refused_with_what_to_do(write):
    with pytest.raises(BadDataset, match=r"Line 2: .*Windows-1252; save the file as CSV UTF-8"):
        read_list(write(b"path,label\n1.jpg,\x81\n"))


def test_a_missing_file_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="Could not read"):
        read_list(tmp_path / "none.csv")


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)
ROWS = st.dictionaries(TEXT.filter(str.strip), TEXT.map(str.strip).filter(bool), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_whatever_python_writes_is_read_back(write, rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("path", "label"), *rows.items()])
    path = write(out.getvalue())
    spellings = {os.path.abspath(path.parent / name) for name in rows}
    if len(spellings) < len(rows) and len(set(rows.values())) > 1:
        return  # two spellings of one path, perhaps with two labels
    listed = read_list(path).candidates
    if len(spellings) == len(rows):
        assert {item.path: item.label for item in listed}.items() == {
            path.parent / name: unicodedata.normalize("NFC", label) for name, label in rows.items()
        }.items()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), header=st.booleans())
def test_random_bytes_are_read_or_refused(write, content, header):
    with contextlib.suppress(PawsightError):
        assert read_list(write(b"path,label\n" * header + content))


# Columns


@pytest.mark.parametrize(
    "header",
    [
        *(
            "filename,class",
            "image,label",
            "File Name,Category",
            "img_path,target",
            "filepaths,labels",
            "Image-Path,Class Name",
        ),
        "file,label,class",  # the column that is called label is the label
    ],
)
def test_columns_have_the_names_that_people_use(write, header):
    found = read_list(write(f"{header}\n1.jpg,cat,0\n"))
    assert [(candidate.path.name, candidate.label) for candidate in found.candidates] == [("1.jpg", "cat")]
    assert len(found.notes) == 1


@pytest.mark.parametrize("column", ["part", "split", "set", "subset", "Fold"])
@pytest.mark.parametrize(
    ("written", "part"), [("train", "train"), ("Val", "validation"), ("valid", "validation"), ("testing", "test")]
)
def test_parts_have_the_names_that_folders_may_have(write, column, written, part):
    (picture,) = read_list(write(f"path,label,{column}\n1.jpg,cat,{written}\n")).candidates
    assert picture.part == part


def test_labels_are_text_whatever_they_say(write):
    words = ["nan", "None", "NA", "null", "true", "01", "1.0", "1e3", "-", "#N/A"]
    found = read_list(write("path,label\n" + "".join(f"{n}.jpg,{word}\n" for n, word in enumerate(words))))
    assert [candidate.label for candidate in found.candidates] == words


def test_a_group_is_read(write):
    listed = read_list(write("path,label,group\n1.jpg,cat,p 1\n2.jpg,dog,\n")).candidates
    assert [candidate.group for candidate in listed] == ["p 1", ""]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("id,breed\n1.jpg,pug\n", {"path": "id", "label": "Breed"}),
        ("path,label,image,sort\nx,y,1.jpg,pug\n", {"path": "image", "label": "sort"}),
        ("1.jpg,pug\n", {"path": "1", "label": "2"}),
        ("0;pug;1.jpg\n", {"path": "3", "label": "2"}),
    ],
)
def test_the_caller_may_say_which_columns_are_which(write, content, columns):
    (picture,) = read_list(write(content), columns=columns).candidates
    assert (picture.path.name, picture.label) == ("1.jpg", "pug")


def test_a_column_that_is_not_there_is_named_with_those_that_are(write):
    with pytest.raises(WrongUsage) as caught:
        read_list(write("id,breed\n1.jpg,pug\n"), columns={"path": "ids", "label": "breed"})
    assert says(caught.value, "'ids'", "'id', 'breed'")


@pytest.mark.parametrize(
    ("content", "option"),
    [
        ("cats/1.jpg,cat\ncats/2.jpg,cat\n", "--columns path=1,label=2"),
        ("cat;1.PNG\n", "--columns path=2,label=1"),
        ("id,breed\n1,pug\n", "--columns path=id,label=breed"),
        ("path,the breed\n1,pug\n", "--columns 'path=path,label=the breed'"),
    ],
)
def test_a_header_that_does_not_say_it_is_answered_with_the_option_that_does(write, content, option):
    with pytest.raises(BadDataset) as caught:
        read_list(write(content))
    assert caught.value.fix.endswith(option)
    words = shlex.split(option)[1]
    columns = dict(pair.split("=") for pair in words.split(","))
    assert read_list(write(content), columns=columns).candidates


def test_a_column_for_each_class_is_one_label(write):
    found = read_list(write("filename, cat, dog, set\n1.jpg, 1, 0, train\n2.jpg, 0.0, 1.0, test\n"))
    assert [(picture.label, picture.part) for picture in found.candidates] == [("cat", "train"), ("dog", "test")]
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    ("row", "fault"), [("1,1", "2 classes, 'cat', 'dog'"), ("0,0", "0 classes"), ("0,3", "other numbers")]
)
def test_a_row_with_several_classes_or_none_is_refused(write, row, fault):
    with pytest.raises(BadDataset) as caught:
        read_list(write(f"path,cat,dog\n1.jpg,1,0\n2.jpg,{row}\n"))
    assert says(caught.value.why, "Line 3", fault)


# Other kinds


def as_jsonl(rows, path):
    path.write_text("".join(json.dumps({"file_name": name, "label": label}) + "\n" for name, label in rows))


def as_json(rows, path):
    path.write_text(json.dumps([{"image": name, "class": label} for name, label in rows]))


def as_parquet(rows, path):
    pq.write_table(pa.table({"path": [name for name, _ in rows], "label": [label for _, label in rows]}), path)


def as_tsv(rows, path):
    path.write_text("path\tlabel\n" + "".join(f"{name}\t{label}\n" for name, label in rows))


@pytest.mark.parametrize(
    ("ending", "make"), [("jsonl", as_jsonl), ("json", as_json), ("parquet", as_parquet), ("tsv", as_tsv)]
)
@pytest.mark.parametrize("labels", [("cat", "dog"), (0, 1)])
def test_every_kind_of_table_is_read(tmp_path, ending, make, labels):
    make([("1, a.jpg", labels[0]), ("ü/2.jpg", labels[1])], tmp_path / f"pets.{ending}")
    found = read_list(tmp_path / f"pets.{ending}")
    assert [(candidate.name, candidate.label) for candidate in found.candidates] == [
        ("1, a.jpg", str(labels[0])),
        ("ü/2.jpg", str(labels[1])),
    ]


@pytest.mark.parametrize(
    ("name", "content", "facts"),
    [
        ("instances.json", '{"images": [], "annotations": []}', ["COCO", "boxes"]),
        ("a.json", '{"a": 1}', ["no JSON array"]),
        ("a.json", "{", ["no JSON"]),
        ("a.jsonl", '{"path": "1.jpg", "label": "cat"}\n[1]\n', ["Line 2", "no JSON object"]),
        ("a.jsonl", '{"path": "1.jpg", "label": ["cat", "dog"]}\n', ["Line 1", "'label'", "several values"]),
        ("a.jsonl", '{"path": "1.jpg", "objects": {"bbox": []}}\n', ["no column 'label'"]),
        ("a.parquet", "no", ["cannot be read as Parquet"]),
    ],
)
def test_what_is_another_kind_of_data_is_refused_by_name(tmp_path, name, content, facts):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadDataset) as caught:
        read_list(tmp_path / name)
    assert says(caught.value.why, *facts)


@pytest.mark.parametrize("picture", [{"bytes": b"x", "path": "1.jpg"}, b"\x89PNG\0"])
def test_pictures_inside_a_table_are_refused(tmp_path, picture):
    pq.write_table(pa.table({"image": [picture], "label": [0]}), tmp_path / "a.parquet")
    with pytest.raises(BadDataset, match="'image' holds pictures"):
        read_list(tmp_path / "a.parquet")


@pytest.mark.parametrize("labels", [["cat|furry", "dog|furry"], ["cat", "dog", "cat;dog"], ["['a', 'b']", "['b']"]])
def test_several_labels_in_a_cell_are_refused_until_the_column_is_named(write, labels):
    rows = "".join(f'{number}.jpg\t"{label}"\n' for number, label in enumerate(labels))
    path = write(f"image\tlabel\n{rows}")
    with pytest.raises(BadDataset) as caught:
        read_list(path)
    assert says(caught.value.why, "one label")
    assert says(caught.value.fix, "--columns path=image,label=label")
    found = read_list(path, columns={"path": "image", "label": "label"})
    assert sorted(found.folders) == sorted(labels)
    assert says(found.notes, "several")


def test_labels_with_commas_that_share_nothing_are_labels(write):
    path = write('path,label\n1.jpg,"tench, Tinca tinca"\n2.jpg,"goldfish, Carassius auratus"\n')
    assert read_list(path).folders == ("goldfish, Carassius auratus", "tench, Tinca tinca")


def test_a_column_that_could_be_the_label_and_is_not_read_is_noted(write):
    found = read_list(write("filename,label,class\n1.jpg,0,cat\n2.jpg,1,dog\n"))
    assert found.folders == ("0", "1")
    assert says(found.notes, "label rather than class")


@pytest.mark.parametrize("cells", ["cat,3", "dog,"])
def test_rows_that_cannot_be_read_are_answered_with_the_option_that_leaves_their_column_out(write, cells):
    path = write(f"file,breed class,class,split\n1.jpg,x,{cells}\n2.jpg,x,cat,train\n")
    with pytest.raises(BadDataset) as caught:
        read_list(path)
    assert says(caught.value.fix, "--columns path=file,label=class")
    assert len(read_list(path, columns={"path": "file", "label": "class"}).candidates) == 2


# Where the files are


@pytest.fixture
def disk(tmp_path):
    """Two pictures of each class below `pictures/`, and one that is there twice."""
    for name in ("apples/1.jpg", "apples/2.JPG", "boxes/3.png", "boxes/4.jpg", "more/1.jpg"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).write_bytes(b"x")
    return tmp_path


WANTED = ["apples/1.jpg", "apples/2.JPG", "boxes/3.png", "boxes/4.jpg"]


def located(folder: Path, names, **options) -> Found:
    rows = "".join(f'"{name}",{("apples", "boxes")[n // 2 % 2]}\n' for n, name in enumerate(names))
    (folder / "list.csv").write_text(f"path,label\n{rows}")
    return locate(read_list(folder / "list.csv"), cache=folder / "cache", **options)


@pytest.mark.parametrize(
    "spelled",
    [
        "pictures/{}",
        "./pictures/{}",
        "pictures\\{}",
        " pictures/{} ",
        "{root}/pictures/{}",
        "C:\\Users\\ann\\pictures\\{}",
        "/home/ann/data/pictures/{}",
        "old/place/{}",
        "{}",
        "~/pictures/{}",
    ],
)
@pytest.mark.parametrize("has_ending", [True, False])
def test_paths_are_found_as_they_are_spelled(disk, monkeypatch, spelled, has_ending):
    monkeypatch.setenv("HOME", str(disk))
    names = [name if has_ending else name.rpartition(".")[0] for name in WANTED]
    names = [
        spelled.replace("{root}", str(disk)).replace("{}", name.replace("/", "\\") if "\\" in spelled else name)
        for name in names
    ]
    found = located(disk, names)
    assert [(picture.name, picture.label) for picture in found.candidates] == [
        (f"pictures/{name}", name.partition("/")[0]) for name in WANTED
    ]
    assert [picture.path for picture in found.candidates] == [disk / "pictures" / name for name in WANTED]
    assert found.left_out == ()


def test_a_name_alone_is_found_below_the_table_where_it_is_the_only_one(disk):
    found = located(disk, ["1", "2", "3", "4"])
    assert [picture.name for picture in found.candidates] == [f"pictures/{name}" for name in WANTED[1:]]
    assert [file.name for file in found.left_out] == ["1"]
    assert any(says(warning, "1 of 4", "'1'") for warning in found.warnings)


def test_the_same_folders_are_taken_off_every_path(disk):
    """Else apples/gone.jpg would be found in another folder, with the wrong label."""
    (disk / "pictures/boxes/gone.jpg").write_bytes(b"x")
    found = located(
        disk, ["D:/apples/1.jpg", "D:/apples/2.JPG", "D:/boxes/3.png", "D:/boxes/4.jpg", "D:/apples/gone.jpg"]
    )
    assert [file.name for file in found.left_out] == ["D:/apples/gone.jpg"]


def test_some_missing_files_are_left_out_and_the_first_is_named_with_the_place(disk):
    found = located(disk, [f"pictures/{name}" for name in [*WANTED, "apples/gone.jpg", "boxes/away.jpg"]])
    assert len(found.candidates) == 4
    assert {file.reason for file in found.left_out} == {"not found"}
    (warning,) = found.warnings
    assert says(warning, "2 of 6", "'pictures/apples/gone.jpg'", disk / "pictures/apples/gone.jpg")


def test_no_file_found_ends_it_with_the_first_path_and_the_place(disk):
    with pytest.raises(BadDataset) as caught:
        located(disk, ["E:\\a\\none.jpg", "E:\\a\\nothing.jpg"])
    assert says(caught.value, "2 listed pictures", "none.jpg", disk / "E:/a/none.jpg")


def test_a_name_that_several_files_have_is_not_guessed(disk):
    (disk / "pictures/more/2.jpg").write_bytes(b"x")
    with pytest.raises(BadDataset) as caught:
        located(disk, ["1", "2"])
    assert says(caught.value.why, "pictures/apples/1.jpg", "pictures/more/1.jpg")


def test_two_spellings_of_one_file_are_one_picture_and_not_of_two_classes(disk):
    assert len(located(disk, ["pictures/apples/1.jpg", "pictures\\apples\\1"]).candidates) == 1
    with pytest.raises(BadDataset, match=r"listed twice, as 'apples' and as 'boxes'"):
        located(disk, ["pictures/apples/1.jpg", "pictures/apples/2.JPG", "pictures\\apples\\1"])


def test_addresses_are_downloaded_once(site, tmp_path, listener):
    names = [site.page("/a/1.jpg", lambda talk: talk.send(b"apple")), site.url("/a/gone.jpg")]
    for _ in range(2):
        found = located(tmp_path, names, progress=listener)
        (picture,) = found.candidates
        assert (picture.path.read_bytes(), picture.label) == (b"apple", "apples")
        assert says(found.left_out[0].reason, "404")
    assert [path for path, _ in site.asked].count("/a/1.jpg") == 1
    assert ("Downloading pictures", 2, "pictures") in listener.stages


def test_a_server_that_gives_nothing_ends_it(site, tmp_path):
    with pytest.raises(DownloadFailed, match="404"):
        located(tmp_path, [site.url(f"/{n}.jpg") for n in range(9)])

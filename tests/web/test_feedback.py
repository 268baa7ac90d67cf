"""Pictures that users label, kept by the service: what is written, what is refused, and who can read it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from pawsight.core.cache import Cache
from pawsight.core.errors import StorageError, WrongUsage
from pawsight.data.dataset import read_dataset
from pawsight.data.label_patch import DROP, RELABEL, Decision, read_patch, write_patch
from pawsight.data.picture_lists import read_list
from pawsight.images.decode import DecodeSettings
from pawsight.web.feedback import LABELS, NONE, PICTURES, Feedback
from pawsight.web.problems import RequestProblem


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "feedback"


def open_folder(folder, *, most=100, most_bytes=10**6, each=100) -> Feedback:
    return Feedback(folder, most=most, most_bytes=most_bytes, each=each)


def labels(folder, table=LABELS) -> dict[str, str]:
    return {decision.sha256: decision.label for decision in read_patch(folder / table).decisions}


def files(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {".labels.csv.lock"}


def kept(folder) -> set[str]:
    return {path.name for path in (folder / PICTURES).iterdir()}


def test_a_picture_is_kept_once_under_its_digest_with_the_last_label(folder, serving):
    feedback, red = open_folder(folder), serving.picture("red")
    for label in ("green", "red"):
        assert feedback.keep(red, label) == digest(red)
    assert labels(folder) == {digest(red): "red"}
    name = f"{PICTURES}/{digest(red)}.png"
    assert files(folder) == {LABELS, name}
    assert (folder / name).read_bytes() == red
    assert feedback.pictures == 1


def test_a_picture_of_none_of_the_classes_changes_the_table_and_comes_back(folder, serving):
    feedback, red = open_folder(folder), serving.picture("red")
    feedback.keep(red, "red")
    feedback.keep(red, None)
    assert (labels(folder), labels(folder, NONE)) == ({}, {digest(red): ""})
    assert read_patch(folder / NONE).decisions[0].action == DROP
    feedback.keep(red, "blue")
    assert (labels(folder), labels(folder, NONE)) == ({digest(red): "blue"}, {})


def test_what_is_withdrawn_is_gone_with_its_file(folder, serving):
    feedback = open_folder(folder)
    red, blue = (feedback.keep(serving.picture(colour), colour) for colour in ("red", "blue"))
    assert feedback.withdraw(red)
    assert not feedback.withdraw(red)
    assert not feedback.withdraw("../../etc/passwd")
    assert labels(folder) == {blue: "blue"}
    assert files(folder) == {LABELS, f"{PICTURES}/{blue}.png"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF"])
def test_the_table_is_data_for_train_whatever_the_type(folder, serving, tmp_path, kind):
    """A label that looks like a formula is marked in the file, and read without the mark."""
    feedback = open_folder(folder)
    feedback.keep(serving.picture("red", kind, side=30), "=red")
    feedback.keep(serving.picture("blue", kind, side=30), "blue")
    with Cache(tmp_path / "cache") as cache:
        dataset = read_dataset(read_list(folder / LABELS), DecodeSettings(image_px=8), cache=cache, threads=1)
    assert sorted(picture.label for picture in dataset.pictures) == ["=red", "blue"]
    assert not dataset.left_out


def test_two_services_keep_into_one_folder(folder, serving):
    one, other = open_folder(folder), open_folder(folder)
    one.keep(serving.picture("red"), "red")
    other.keep(serving.picture("blue"), "blue")
    one.keep(serving.picture("green"), "green")
    assert set(labels(folder).values()) == {"red", "green", "blue"}
    assert open_folder(folder).pictures == one.pictures == 3


def test_many_at_once_are_all_kept(folder, serving):
    feedback, pictures = open_folder(folder), [serving.picture("red", side=20 + number) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda picture: feedback.keep(picture, "red"), pictures))
    assert labels(folder).keys() == {digest(picture) for picture in pictures}


def test_what_the_owner_corrected_by_hand_stays(folder, serving):
    feedback = open_folder(folder)
    red = feedback.keep(serving.picture("red"), "blue")
    table = folder / LABELS
    table.write_text(table.read_text().replace("blue", "red"))
    feedback.keep(serving.picture("green"), "green")
    assert labels(folder)[red] == "red"


@pytest.mark.parametrize("limits", [{"most": 2}, {"most_bytes": 200}, {"each": 2}])
def test_a_full_folder_refuses_new_pictures_and_takes_new_labels(folder, serving, limits):
    feedback = open_folder(folder, **limits)
    red, green, blue = (serving.picture(colour) for colour in ("red", "green", "blue"))
    assert 67 < len(red) == len(green) == len(blue) <= 100, "two fit into 200 bytes"
    for picture in (red, green):
        feedback.keep(picture, "red", address="192.0.2.1")
    with pytest.raises(RequestProblem) as refused:
        feedback.keep(blue, "red", address="192.0.2.1")
    assert (refused.value.code, refused.value.status) == ("feedback-full", 507)
    feedback.keep(red, "blue", address="192.0.2.1")
    assert labels(folder) == {digest(red): "blue", digest(green): "red"}
    assert len(kept(folder)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.jpg,red\n",
        "path,sha256,action,label\n" + f"../a.jpg,{'a' * 64},relabel,red\n",
        "path,sha256,action,label\n" + f"pictures/{'a' * 64}/../../a.jpg,{'a' * 64},relabel,red\n",
        "\0",
    ],
)
def test_a_table_of_another_kind_is_left_as_it_is(folder, text):
    folder.mkdir()
    (folder / LABELS).write_text(text)
    with pytest.raises(WrongUsage):
        open_folder(folder)
    assert (folder / LABELS).read_text() == text


def test_a_file_is_no_folder(folder):
    folder.write_text("mine")
    with pytest.raises(WrongUsage):
        open_folder(folder)
    assert folder.read_text() == "mine"


def test_a_disk_that_refuses_leaves_the_tables(folder, serving, monkeypatch):
    feedback = open_folder(folder)
    feedback.keep(serving.picture("red"), "red")
    before = (folder / LABELS).read_bytes()

    def refuse(*_):
        raise StorageError("full")

    monkeypatch.setattr("pawsight.web.feedback.write_bytes", refuse)
    with pytest.raises(StorageError):
        feedback.keep(serving.picture("blue"), "blue")
    assert (folder / LABELS).read_bytes() == before
    assert feedback.pictures == 1


def test_patches_of_the_review_are_not_taken_for_feedback(folder):
    folder.mkdir()
    write_patch(folder / LABELS, [Decision("cats/1.jpg", "a" * 64, RELABEL, "dogs")])
    with pytest.raises(WrongUsage):
        open_folder(folder)


@pytest.fixture(scope="module")
def shared(make_client, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    with make_client(feedback=open_folder(folder, most=3), body_mib=0.1) as client:
        yield client, folder


class TestOverHttp:
    @pytest.fixture
    def folder(self, shared):
        return shared[1]

    @pytest.fixture
    def client(self, shared):
        client, folder = shared
        yield client
        for name in kept(folder):
            assert client.delete(f"/api/v1/feedback/{name.partition('.')[0]}").status_code == 200

    @staticmethod
    def send(client, data, **parameters):
        return client.post("/api/v1/feedback", content=data, params=parameters, headers={"content-type": "image/png"})

    def test_a_label_is_kept_changed_and_withdrawn(self, client, folder, serving):
        red = serving.picture("red")
        answer = self.send(client, red, **{"class": "green"})
        assert answer.status_code == 200
        assert answer.json() == {"request_id": answer.headers["x-request-id"], "sha256": digest(red), "label": "green"}
        assert self.send(client, red, none="true").json()["label"] is None
        assert labels(folder, NONE) == {digest(red): ""}
        assert client.get("/api/v1/model").json()["feedback"] is True
        assert "pawsight_feedback_pictures 1.0" in client.get("/metrics").text
        assert client.delete(f"/api/v1/feedback/{digest(red)}").status_code == 200
        gone = client.delete(f"/api/v1/feedback/{digest(red)}")
        assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
        assert kept(folder) == set()

    def test_a_form_and_json_hold_one_picture_each_and_their_names_are_not_used(self, client, folder, serving):
        import base64

        body, kind = serving.form(("../../evil\0.png", serving.picture("red")))
        headers = {"content-type": kind}
        assert client.post("/api/v1/feedback?class=red", content=body, headers=headers).status_code == 200
        picture = {"data": base64.b64encode(serving.picture("blue")).decode(), "name": "/etc/passwd"}
        assert client.post("/api/v1/feedback?class=blue", json={"pictures": [picture]}).status_code == 200
        assert kept(folder) == {f"{digest(serving.picture(colour))}.png" for colour in ("red", "blue")}
        assert files(folder) <= {LABELS, NONE, *(f"{PICTURES}/{name}" for name in kept(folder))}
        two, kind = serving.form(("a", serving.picture("red")), ("b", serving.picture("red")))
        refused = client.post("/api/v1/feedback?class=red", content=two, headers={"content-type": kind})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad-request")

    @pytest.mark.parametrize(
        ("parameters", "code"),
        [
            ({}, "bad-parameter"),
            ({"none": "false"}, "bad-parameter"),
            ({"none": "yes"}, "bad-parameter"),
            ({"class": "red", "none": "true"}, "bad-parameter"),
            ({"class": ""}, "unknown-class"),
            ({"class": "../red"}, "unknown-class"),
            ({"class": "=1+1"}, "unknown-class"),
            ({"class": "x" * 5000}, "unknown-class"),
        ],
    )
    def test_a_label_is_one_of_the_classes(self, client, folder, serving, parameters, code):
        answer = self.send(client, serving.picture("red"), **parameters)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert len(answer.content) < 2000
        assert kept(folder) == set()

    @pytest.mark.parametrize(
        ("data", "status", "code"),
        [
            (b"", 422, "unreadable-picture"),
            (b"milk", 422, "unreadable-picture"),
            (b"path,label\n", 422, "unreadable-picture"),
            (b"x" * 200_000, 413, "too-large"),
        ],
    )
    def test_what_is_no_picture_is_not_kept(self, client, folder, data, status, code):
        answer = self.send(client, data, **{"class": "red"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert kept(folder) == set()

    def test_a_flood_ends_at_the_limit(self, client, folder, serving):
        answers = [self.send(client, serving.picture("red", side=side), **{"class": "red"}) for side in range(8, 14)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [507] * 3
        assert {answer.json()["code"] for answer in answers[3:]} == {"feedback-full"}
        assert len(labels(folder)) == 3

    def test_a_disk_that_refuses_is_told_without_a_path(self, client, folder, serving, monkeypatch, caplog):
        def refuse(*_):
            raise StorageError(f"Could not write {folder}.")

        monkeypatch.setattr("pawsight.web.feedback.write_bytes", refuse)
        answer = self.send(client, serving.picture("red"), **{"class": "red"})
        assert (answer.status_code, answer.json()["code"]) == (507, "not-stored")
        assert str(folder) not in answer.text
        (record,) = [record for record in caplog.records if record.msg == "not-stored"]
        assert str(folder) in record.said

    def test_a_page_of_another_site_can_do_neither(self, client, folder, serving):
        headers = {"origin": "https://evil.example", "content-type": "image/png"}
        answer = client.post("/api/v1/feedback?class=red", content=serving.picture("red"), headers=headers)
        assert answer.status_code == 403
        assert client.delete(f"/api/v1/feedback/{'a' * 64}", headers=headers).status_code == 403
        assert kept(folder) == set()


def test_nothing_is_kept_by_default(make_client, serving):
    with make_client(token="a" * 16) as client:
        assert TestOverHttp.send(client, serving.picture("red"), **{"class": "red"}).status_code == 401
        headers = {"authorization": f"Bearer {'a' * 16}", "content-type": "image/png"}
        answer = client.post("/api/v1/feedback?class=red", content=serving.picture("red"), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        assert client.get("/api/v1/model", headers=headers).json()["feedback"] is False


def test_a_served_process_keeps_what_train_takes(serving, colour_bundle, folder, tmp_path):
    """From a real request to the command line that reads the folder."""
    with serving.Process(colour_bundle, "--feedback", folder, "--decoders", 1, log=tmp_path / "log") as process:
        barrier = threading.Barrier(3)

        def label(colour):
            barrier.wait()
            return process.ask("POST", f"/api/v1/feedback?class={colour}", serving.picture(colour))[0]

        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(label, ("red", "green", "blue"))) == [200] * 3
    found = read_list(folder / LABELS)
    assert sorted(candidate.label for candidate in found.candidates) == ["blue", "green", "red"]
    assert all(candidate.path.is_file() for candidate in found.candidates)
    patch = read_patch(folder / LABELS)
    assert {decision.action for decision in patch.decisions} == {RELABEL}
    assert json.dumps(sorted(decision.sha256 for decision in patch.decisions)) == json.dumps(
        sorted(digest(serving.picture(colour)) for colour in ("red", "green", "blue"))
    )


def test_what_waits_to_be_kept_ends_with_its_request(colour_bundle, folder, serving):
    """Else the bodies of clients that have left would stay in memory."""
    import asyncio

    from pawsight.classifier.predictor import load_predictor
    from pawsight.web.limits import Limits
    from pawsight.web.service import Service
    from pawsight.web.uploads import Upload

    feedback, held, begun = open_folder(folder), threading.Event(), threading.Event()
    keep = feedback.keep

    def slow(*given, **options):
        begun.set()
        held.wait(10)
        return keep(*given, **options)

    feedback.keep = slow

    async def ask():
        service = Service(lambda: load_predictor(colour_bundle), limits=Limits(decoders=1), feedback=feedback)
        await service.start()
        try:
            with service.served() as served:
                uploads = [Upload(colour, bytearray(serving.picture(colour))) for colour in ("red", "green", "blue")]
                first = asyncio.create_task(service.keep(served, uploads[0], "red"))
                await asyncio.to_thread(begun.wait, 10)
                waiting = [asyncio.create_task(service.keep(served, upload, "red")) for upload in uploads[1:]]
                await asyncio.sleep(0.3)
                for task in (first, *waiting):
                    task.cancel()
                await asyncio.gather(first, *waiting, return_exceptions=True)
                held.set()
                return await service.keep(served, uploads[2], "blue")
        finally:
            await service.stop()

    assert asyncio.run(ask()) == digest(serving.picture("blue"))
    assert labels(folder) == {digest(serving.picture("red")): "red", digest(serving.picture("blue")): "blue"}

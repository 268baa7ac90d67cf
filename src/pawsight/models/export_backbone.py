"""A backbone as an ONNX file, made once and kept in the cache.

Enters: the name of a backbone, the side of the pictures, the cache folder. Leaves: the path of an ONNX file from
`pictures` (N, H, W, 3) uint8 to `features` (N, 1280) float32. Does not know: the user's pictures or classes.

Keras and TensorFlow are needed only where the file is not in the cache yet, and then run in a process of their own:
their notes stay out of the user's terminal and their gigabyte of memory is given back.
"""

from __future__ import annotations

import errno
import gc
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pawsight.errors import TrainingFailed
from pawsight.models.backbones import check_image_px, find_backbone
from pawsight.models.process import run_quietly
from pawsight.models.quiet import import_keras, needs_training_extra
from pawsight.models.weights import installed_checkpoint, read_published
from pawsight.progress import SILENT, Progress
from pawsight.storage import refusal, scratch_folder, sha256_of, sha256_of_file, write_bytes, write_text
from pawsight.temporary import sweep_parts

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET = 17
INPUT, OUTPUT = "pictures", "features"
EXPORT_VERSION = 1  # raise it whenever the same weights would give another graph

_NEEDED = ("tensorflow", "keras", "tf2onnx", "onnx")
_TIMEOUT_SECONDS = 600.0
_NO_ROOM = 74  # exit status of the converter where the disk is full; EX_IOERR of sysexits.h


def backbone_onnx(name: str, image_px: int, cache: Path, progress: Progress = SILENT) -> Path:
    """Return the ONNX file of a backbone, making it where the cache has none that is whole.

    Args:
        name: one of `pawsight.models.backbones.BACKBONES`.
        image_px: side of the square pictures, 32 to 1024.
        cache: folder for what can be made again; the file goes to `backbones/` in it.
        progress: told while the file is being made.

    Returns:
        The path of a single file without external data: opset 17, input `pictures` (N, image_px, image_px, 3) uint8
        RGB, output `features` (N, 1280) float32, N left open.

    Raises:
        WrongUsage: there is no backbone of that name, or it cannot see pictures of that size.
        MissingExtra: the file must be made and TensorFlow, Keras or the converter is not installed.
        WeightsUnavailable: the weights are not installed or are not the published ones.
        TrainingFailed: the converter failed.
        StorageError: the cache cannot be written.
    """
    path = _place(name, image_px, cache)
    if not _is_whole(path):
        with progress.stage(f"preparing {name} for {image_px} px, once", None) as step, _alone(cache):
            if not _is_whole(path):  # else another process was quicker
                sweep_parts(path)
                _store(path, _converted(name, image_px))
            step.advance()
    return path


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let one process at a time convert: two would name things differently in one file, and take twice the memory.

    Raises:
        StorageError: the disk refused.
    """
    from filelock import FileLock

    lock = FileLock(cache / "backbones.lock")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise refusal("write", cache / "backbones.lock", error) from error
    try:
        yield
    finally:
        lock.release()


def _place(name: str, image_px: int, cache: Path) -> Path:
    """Name the file after everything that decides its content."""
    check_image_px(image_px)
    recipe = [name, image_px, find_backbone(name).sha256, EXPORT_VERSION, OPSET]
    return cache / "backbones" / f"{name}-{image_px}px-{sha256_of(json.dumps(recipe).encode())[:12]}.onnx"


def _digest_beside(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _is_whole(path: Path) -> bool:
    beside = _digest_beside(path)
    return path.is_file() and beside.is_file() and beside.read_text("ascii", "replace").strip() == sha256_of_file(path)


def _store(path: Path, graph: bytes) -> None:
    write_bytes(path, graph)
    write_text(_digest_beside(path), sha256_of(graph) + "\n")


def _converted(name: str, image_px: int) -> bytes:
    """Run the converter in another Python, after making sure that it has what it needs."""
    for module in _NEEDED:
        if importlib.util.find_spec(module) is None:
            raise needs_training_extra(module)
    read_published(installed_checkpoint(name), sha256=find_backbone(name).sha256)
    with scratch_folder() as folder:
        target = folder / "backbone.onnx"
        _run_converter(name, image_px, target)
        return target.read_bytes()


def _run_converter(name: str, image_px: int, target: Path) -> None:
    """Convert quietly, elsewhere.

    Raises:
        TrainingFailed: the converter failed.
        OSError: it found the disk full.
    """
    roots = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    words = ["-P", "-m", __name__, name, str(image_px), str(target)]
    more = {"PYTHONPATH": os.pathsep.join(roots)}
    status, complaint = run_quietly(words, more=more, seconds=_TIMEOUT_SECONDS)
    if status == _NO_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if complaint:
        raise TrainingFailed(
            f"The backbone {name} could not be converted to ONNX for pictures of {image_px} px.",
            f"The converter says: {complaint}",
            'Type: pip install --upgrade "pawsight[train]"',
        )


def convert(name: str, image_px: int, target: Path) -> None:
    """Convert a backbone with its published weights, in this process: takes Keras and a gigabyte of memory.

    Raises:
        ValueError: the converter's graph is not of the promised form.
    """
    import_keras()
    import keras
    import onnx

    from pawsight.models.efficientnet_lite import load

    # The converter copies the whole graph time and again, in cycles that only the collector can free; left alone it
    # takes 2 GB for lite2, like this 1.2 GB and less time.
    gc.freeze()
    gc.set_threshold(700, 3, 3)
    model = load(name, image_px=image_px, folded=True)
    pictures = keras.InputSpec(dtype="uint8", shape=(None, image_px, image_px, 3), name=INPUT)
    model.export(target, format="onnx", verbose=False, input_signature=[pictures], opset_version=OPSET)
    graph = tidied(onnx.load(target))
    check(graph, image_px, find_backbone(name).feature_dim)
    onnx.save(graph, target)


def tidied(model: ModelProto) -> ModelProto:
    """Give the ends of a converted graph their names, and drop what the converter declares and never uses."""
    graph = model.graph
    for node in graph.node:
        node.output[:] = [OUTPUT if output == graph.output[0].name else output for output in node.output]
    graph.output[0].name = OUTPUT
    for end in (graph.input[0], graph.output[0]):
        end.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]
    used = {node.domain for node in graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def check(model: ModelProto, image_px: int, feature_dim: int) -> None:
    """Make sure that a graph has the form that the rest of the house relies on.

    Raises:
        ValueError: it has not; the text says what was found.
        onnx.checker.ValidationError: it is no sound ONNX.
    """
    import onnx

    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ValueError("the graph keeps weights outside its file")
    onnx.checker.check_model(model, full_check=True)
    found = (_end(model.graph, "input"), _end(model.graph, "output"), [entry.version for entry in model.opset_import])
    wanted = (
        [(INPUT, onnx.TensorProto.UINT8, ["N", image_px, image_px, 3])],
        [(OUTPUT, onnx.TensorProto.FLOAT, ["N", feature_dim])],
        [OPSET],
    )
    if found != wanted:
        raise ValueError(f"the graph has {found} instead of {wanted}")


def _end(graph: GraphProto, side: str) -> list[tuple[str, int, list[int | str]]]:
    return [
        (
            end.name,
            end.type.tensor_type.elem_type,
            [dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim],
        )
        for end in getattr(graph, side)
    ]


def main(name: str, image_px: str, target: str) -> int:
    """Convert in a process of its own, and say by the exit status whether the disk was full."""
    try:
        convert(name, int(image_px), Path(target))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _NO_ROOM
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

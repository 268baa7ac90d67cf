"""What names of parts mean: of folders, of cells in a table, and after `--parts`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

PARTS = ("train", "validation", "test")
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("train", "training", "trainings"), "train"),
        **dict.fromkeys(("validation", "validations", "validate", "valid", "val", "vals"), "validation"),
        **dict.fromkeys(("dev", "development", "eval", "evaluation", "evaluations"), "validation"),
        **dict.fromkeys(("test", "tests", "testing", "holdout", "heldout", "hold", "held"), "test"),
        # Spanish, French, Italian, Portuguese, German, Chinese and Japanese: words that name no class.
        **dict.fromkeys(("entrenamiento", "entraînement", "entrainement", "apprentissage", "addestramento"), "train"),
        **dict.fromkeys(("treino", "treinamento", "训练", "訓練", "学習"), "train"),
        **dict.fromkeys(("validación", "validacion", "validação", "validacao", "validazione"), "validation"),
        **dict.fromkeys(("validierung", "验证", "驗證", "検証"), "validation"),
        **dict.fromkeys(("prueba", "pruebas", "teste", "testes", "测试", "測試", "テスト"), "test"),
    }
)
_FILLERS = frozenset(  # words that say nothing about the part
    """
    set sets data dataset datasets part split subset sample samples folder file files out
    image images img imgs picture pictures pic pics photo photos jpg jpeg png 集 セット データ
    """.split()  # noqa: SIM905
)
_UNLABELLED = frozenset({"unlabeled", "unlabelled", "unannotated", "unsup", "unsupervised"})


def part_named(name: str, *, ignored: Iterable[str] = ()) -> str | None:
    """Return which of `PARTS` a name means, in any case, with numbers and separators: "Train_Set", "2 validation".

    Args:
        name: of a folder, or a cell of a table.
        ignored: further words that say nothing, in lower case.

    Returns:
        None where a word is not known, or two parts are named.
    """
    words = set(words_of(name)) - _FILLERS - set(ignored)
    parts = {_part_of_word(word) for word in words}
    return parts.pop() if len(parts) == 1 else None


def parts_named(names: Iterable[str]) -> dict[str, str]:
    """Return folder name -> part for the folders beside each other whose names mean one.

    Words that all of them share say nothing: seg_train and seg_test are parts.
    """
    names = list(names)
    shared = set.intersection(*(set(words_of(name)) for name in names)) if len(names) > 1 else set()
    named = {name: part_named(name, ignored=shared - _WORDS.keys()) for name in names}
    return {name: part for name, part in named.items() if part is not None}


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, without digits: "TrainSet_01" has "train" and "set"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    return [word.casefold() for word in re.findall(r"[^\W\d_]+", spaced)]


def says_nothing(name: str) -> bool:
    """Return whether a folder's name has no word but such as "images", "data" or those of parts: it is no class."""
    words = words_of(name)
    return bool(words) and all(word in _FILLERS or _part_of_word(word) for word in words)


def says_unlabelled(name: str) -> bool:
    """Return whether a folder's name says that its pictures have no classes: "unlabeled", "Unlabelled_images"."""
    return bool(_UNLABELLED & set(words_of(name)))


def _part_of_word(word: str) -> str | None:
    if word in _WORDS:
        return _WORDS[word]
    joined = [part for start, part in _WORDS.items() if word.startswith(start) and word[len(start) :] in _FILLERS]
    return joined[0] if joined else None  # "trainset", "testdata"

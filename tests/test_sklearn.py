"""`pawsight.sklearn`: its estimators in scikit-learn's own tools, and scikit-learn's own checks of them."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

from pawsight.core.errors import UnreadablePicture, WrongUsage

from .conftest import BACKBONE, BACKBONE_PX, says
from .foreign_networks import convolutional

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: E402

from pawsight.sklearn import ImageClassifier, ImageFeatures  # noqa: E402

SMALL = {"backbone": BACKBONE, "image_px": BACKBONE_PX}


@pytest.fixture
def pictures(warm):
    """The drawings as arrays, and their labels."""
    paths = sorted(warm.data.rglob("*.jpg"))
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths], [path.parent.name for path in paths]


def test_a_grid_search_ends_and_computes_each_picture_once(pictures, monkeypatch):
    from pawsight.training.features import FeatureSink

    taken, take = [], FeatureSink.take
    monkeypatch.setattr(FeatureSink, "take", lambda *words: taken.append(words[1]) or take(*words))
    X, y = pictures
    search = GridSearchCV(ImageClassifier(**SMALL), {"C": [1e-4, 1e-3, 1e-2]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.7
    assert search.best_params_["C"] == search.best_estimator_.C_
    assert len(taken) == len(set(taken)) <= len(X)


def test_it_answers_as_the_probe_that_was_trained_on_the_same_pictures(pictures, warm):
    X, y = pictures
    rows = {path.relative_to(warm.data).as_posix(): row for row, path in enumerate(sorted(warm.data.rglob("*.jpg")))}
    training = [rows[picture.name] for picture in warm.report.split.part("train")]
    fitted = ImageClassifier(depth="auto", **SMALL).fit([X[row] for row in training], [y[row] for row in training])
    (note,) = [note for note in warm.report.record.notes if "C = " in note]
    assert f"C = {fitted.C_:g}" in note
    answers = warm.report.record.answers
    assert fitted.predict([X[rows[answer.path]] for answer in answers]).tolist() == [
        answer.predicted for answer in answers
    ]


def test_features_are_a_step_of_any_pipeline(pictures):
    X, y = pictures
    rest = StandardScaler(), LogisticRegression(max_iter=500)
    features = ImageFeatures(**SMALL).fit_transform(X)
    assert (features.shape, features.dtype) == ((len(X), 1280), np.float32)
    scores = cross_val_score(make_pipeline(ImageFeatures(**SMALL), *rest), X, y, cv=2)
    assert scores.tolist() == cross_val_score(make_pipeline(*rest), features, y, cv=2).tolist()
    assert ImageFeatures(depth="blocks", **SMALL).fit_transform(X[:1]).shape[1] > 1280


def test_labels_come_back_as_they_were_and_probabilities_add_up(pictures):
    X, y = pictures
    numbers = np.array([10 if name == "dogs" else 2 for name in y])
    fitted = ImageClassifier(C=0.01, **SMALL).fit(X, numbers)
    assert fitted.classes_.tolist() == [2, 10]
    assert set(fitted.predict(X[:5]).tolist()) <= {2, 10}
    table = fitted.predict_proba(X[:5])
    assert (table.shape, table.dtype) == ((5, 2), np.float32)
    assert np.allclose(table.sum(axis=1), 1)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(X[:5]), table)


def test_paths_and_arrays_are_the_same_pictures(warm, tmp_path):
    paths = []
    for index, path in enumerate(sorted(warm.data.rglob("*.jpg"))[::5]):
        paths.append(tmp_path / f"{index}.png")
        Image.open(path).save(paths[-1])
    arrays = [np.asarray(Image.open(path)) for path in paths]
    y = np.arange(len(paths)) % 2
    by_path = ImageClassifier(C=0.01, **SMALL).fit(paths, y).predict_proba(paths)
    assert np.array_equal(by_path, ImageClassifier(C=0.01, **SMALL).fit(arrays, y).predict_proba(arrays))


def test_parameters_are_cloned_and_set():
    estimator = clone(ImageClassifier(C=0.5, folds=3)).set_params(depth="blocks")
    assert estimator.get_params() == {
        "C": 0.5,
        "backbone": None,
        "depth": "blocks",
        "folds": 3,
        "image_px": None,
        "random_state": 0,
    }


def test_a_backbone_may_be_a_file(pictures, tmp_path):
    (tmp_path / "mine.onnx").write_bytes(convolutional())
    X, _ = pictures
    assert ImageFeatures(tmp_path / "mine.onnx", image_px=32).fit(X[:4]).transform(X[:4]).shape == (4, 24)
    with pytest.raises(WrongUsage) as caught:
        ImageFeatures("auto").fit(X[:4])
    assert says(caught.value, "auto")


def test_what_cannot_be_fitted_says_so(pictures, tmp_path):
    X, y = pictures
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(UnreadablePicture, match=r"broken\.jpg"):
        ImageClassifier(**SMALL).fit([*X, tmp_path / "broken.jpg"], [*y, "cats"])
    with pytest.raises(WrongUsage, match="'auto'"):
        ImageClassifier(C=1.0, depth="auto").fit(X, y)
    with pytest.raises(WrongUsage, match="'selected'"):
        ImageFeatures(depth="selected").fit(X)
    with pytest.raises(ValueError, match="inconsistent"):
        ImageClassifier(C=1.0, **SMALL).fit(X, y[:-1])


@pytest.mark.parametrize(
    "parameters", [{"C": 0}, {"C": -1}, {"C": "1"}, {"C": float("nan")}, {"folds": 1}, {"image_px": "96"}]
)
def test_a_parameter_that_cannot_be_used_is_refused_and_not_fitted(pictures, parameters):
    X, y = pictures
    with pytest.raises(WrongUsage):
        ImageClassifier(**SMALL | parameters).fit(X, y)


def test_the_seed_may_be_a_generator_and_numbers_may_be_of_numpy(pictures):
    X, y = pictures
    for random_state in (np.int64(3), np.random.RandomState(0), None):
        model = ImageClassifier(random_state=random_state, **SMALL | {"image_px": np.int64(SMALL["image_px"])})
        assert len(model.fit(X, y).predict(X[:2])) == 2


def test_scikit_learn_is_needed_by_this_module_alone():
    code = (
        "import sys; sys.modules['sklearn'] = None\nimport pawsight\npawsight.train, pawsight.Run\n"
        "try:\n    import pawsight.sklearn\nexcept pawsight.PawsightError as error:\n    print(error.fix)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "Type: pip install scikit-learn"


class OnNumbers:
    """Draws rows of numbers as pictures, so that scikit-learn's checks, which know only numbers, can be run."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array, tags.input_tags.string = True, False, False
        return tags

    def drawn(self, X, *, reset):
        table = validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=2 if reset else 1)
        return [np.rint(255 * expit(row)).astype(np.uint8)[None] for row in table]

    def fit(self, X, y=None):
        if y is None and isinstance(self, ImageClassifier):
            raise ValueError("requires y to be passed, but the target y is None")
        return super().fit(self.drawn(X, reset=True), y)


class ClassifierOfNumbers(OnNumbers, ImageClassifier):
    def predict_proba(self, X):
        check_is_fitted(self)
        return super().predict_proba(self.drawn(X, reset=False))


class FeaturesOfNumbers(OnNumbers, ImageFeatures):
    def transform(self, X):
        check_is_fitted(self)
        return super().transform(self.drawn(X, reset=False))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ClassifierOfNumbers, FeaturesOfNumbers])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks_pass(kind):
    checks = check_estimator(kind(backbone=BACKBONE, image_px=32), on_fail=None, on_skip=None)
    assert {check["check_name"] for check in checks if check["status"] == "skipped"} <= {"check_array_api_input"}
    assert [check["check_name"] for check in checks if check["status"] == "failed"] == []
    assert sum(check["status"] == "passed" for check in checks) >= 45

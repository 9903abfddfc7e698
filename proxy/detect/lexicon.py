"""The word weights of alt-profanity-check, read without scikit-learn.

Its two files are joblib pickles of a fitted `TfidfVectorizer` and a `CalibratedClassifierCV` of linear SVMs
(https://github.com/dimitrismistriotis/alt-profanity-check). What a text's probability needs of them is a word
list, one inverse document frequency per word, and a weight vector, an intercept and a sigmoid per SVM.
Nothing of scikit-learn, scipy, joblib or numpy is imported: classes are read as plain holders of their attributes,
and arrays from joblib's format (a wrapper object, then the array's bytes in the stream). Only the named
classes are accepted.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from proxy.errors import GuardrailError

_ARRAY_BYTES_MAX: Final = 64 << 20
_NUMBER_BYTES: Final = 8
_ROUNDING: Final = 1e-6  # room for the last digits of sums made in another order
_WORD: Final = re.compile(r"\w\w+")


class LexiconError(GuardrailError):
    """The weights are missing, or are not what this version reads."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word's part in a text: what it adds to the norm, and to each SVM's sum."""

    square: float  # of its inverse document frequency
    pulls: tuple[float, ...]  # weight × idf, per SVM
    pull: float  # their mean: how far the word alone moves a text towards toxicity


@dataclass(frozen=True, slots=True)
class _Svm:
    intercept: float
    slope: float
    offset: float


class LexicalModel:
    """Probability that a text is profane or insulting: a bag of words, a line, a sigmoid, averaged over
    SVMs."""

    __slots__ = ("_svms", "words")

    def __init__(self, words: Mapping[str, Word], svms: Iterable[tuple[float, float, float]]) -> None:
        self.words = words
        self._svms = tuple(_Svm(*svm) for svm in svms)

    @classmethod
    def load(cls) -> LexicalModel:
        """The weights that the installed alt-profanity-check ships. Raises LexiconError."""
        spec = find_spec("profanity_check")  # finds it, does not import it
        if spec is None or spec.origin is None:
            raise LexiconError("alt-profanity-check is not installed")
        data = Path(spec.origin).parent / "data"
        try:
            vectorizer = _read(data / "vectorizer.joblib")
            model = _read(data / "model.joblib")
            return _model(vectorizer, model)
        except (
            OSError,
            pickle.UnpicklingError,
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            EOFError,
        ) as error:
            raise LexiconError(f"cannot read the weights in {data}: {error}") from error

    def score(self, text: str) -> float:
        """`profanity_check.predict_prob` of that text, 0 to 1."""
        counts = Counter(_WORD.findall(text.lower()))
        sums, square = self.sums(counts)
        return self.probability(sums, square)

    def sums(self, counts: Mapping[str, int]) -> tuple[list[float], float]:
        """Each SVM's sum over the words, and the square of the words' norm. Words not known add nothing."""
        rows: list[tuple[float, ...]] = []
        square = 0.0
        for word, count in counts.items():
            known = self.words.get(word)
            if known is not None:
                square += count * count * known.square
                rows.append(known.pulls)
                if count > 1:
                    rows.extend([known.pulls] * (count - 1))
        return list(map(sum, zip(*rows, strict=True))) or [0.0] * len(self._svms), square

    def least_sum(self, probability: float) -> float:
        """The least sum, over a text of norm 1, with which any SVM alone would reach that probability.

        A text all of whose sums are below it (times its norm) stays under the probability.
        """
        if not 0.0 < probability < 1.0:
            return -math.inf if probability <= 0.0 else math.inf
        odds = math.log(1.0 / probability - 1.0)
        return min((odds - svm.offset) / svm.slope - svm.intercept for svm in self._svms) - _ROUNDING

    def probability(self, sums: Iterable[float], square: float) -> float:
        """From the sums and the norm's square, both of a whole text; 0 to 1."""
        norm = math.sqrt(square) or 1.0
        total = 0.0
        for svm, value in zip(self._svms, sums, strict=True):
            decision = value / norm + svm.intercept
            total += 1.0 / (1.0 + math.exp(svm.slope * decision + svm.offset))
        return total / len(self._svms)


class _Holder:
    """Stands for any class of the pickles: takes its attributes, runs none of its code."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)


class _ArrayHolder(_Holder):
    """joblib's NumpyArrayWrapper; `array` is read from the stream right after it."""

    array: array[float]


class _Dtype:
    """numpy's dtype of one number: `f8` or `i8`."""

    def __init__(self, code: str, *_: object) -> None:
        self._code = code
        self._order = "<"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self._order = str(state[1])

    def numbers(self, data: bytes) -> array[float]:
        """Raises LexiconError where they are of another kind."""
        kind = {"f8": "d", "i8": "q"}.get(self._code)
        if kind is None or self._order not in "<>":
            raise LexiconError(f"numbers of the kind {self._order}{self._code}")
        out: array[float] = array(kind, data)
        if (self._order == "<") != (sys.byteorder == "little"):
            out.byteswap()
        return out


def _scalar(dtype: _Dtype, data: bytes) -> float:
    """numpy's scalar of that many bytes."""
    return dtype.numbers(data)[0]


_HELD: Final = frozenset(
    [
        ("sklearn.calibration", "CalibratedClassifierCV"),
        ("sklearn.calibration", "_CalibratedClassifier"),
        ("sklearn.calibration", "_SigmoidCalibration"),
        ("sklearn.svm._classes", "LinearSVC"),
        ("sklearn.feature_extraction.text", "TfidfVectorizer"),
        ("sklearn.feature_extraction.text", "TfidfTransformer"),
    ]
)


class _Unpickler(pickle.Unpickler):
    """Reads the two files and nothing else: any class that they do not need is refused."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(_Plain(stream))
        self._stream = stream

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _HELD:
            return _Holder
        if module.startswith("joblib.numpy_pickle") and name == "NumpyArrayWrapper":
            return self._array_holder()
        if module == "numpy":  # all but the first only name a class
            return {"dtype": _Dtype, "ndarray": _Holder, "float64": _Holder, "int64": _Holder}[name]
        if name == "scalar" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _scalar
        raise pickle.UnpicklingError(f"{module}.{name} does not belong here")

    def _array_holder(self) -> type[_ArrayHolder]:
        stream = self._stream

        class Here(_ArrayHolder):
            def __setstate__(self, state: dict[str, object]) -> None:
                self.array = _read_array(stream, state)

        return Here


class _Plain:
    """A stream without `peek`, so that the unpickler takes no byte of the arrays that stand between its
    own."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read
        self.readline = stream.readline
        self.readinto = cast(io.BufferedReader, stream).readinto


def _read_array(stream: BinaryIO, state: Mapping[str, object]) -> array[float]:
    """An array that has one row, whatever its shape."""
    shape = cast("tuple[int, ...]", state["shape"])
    count = math.prod(shape)
    if count != max(shape, default=1) or count * _NUMBER_BYTES > _ARRAY_BYTES_MAX:
        raise LexiconError(f"an array of the shape {shape}")
    if state.get("numpy_array_alignment_bytes") is not None:
        stream.read(stream.read(1)[0])
    return cast(_Dtype, state["dtype"]).numbers(stream.read(count * _NUMBER_BYTES))


def _read(path: Path) -> _Holder:
    with path.open("rb") as stream:
        return cast(_Holder, _Unpickler(stream).load())


class _Vectorizer(Protocol):
    vocabulary_: dict[str, int]
    lowercase: bool
    token_pattern: str
    ngram_range: tuple[int, int]
    norm: str
    use_idf: bool
    sublinear_tf: bool
    binary: bool


def _model(vectorizer_: _Holder, model: _Holder) -> LexicalModel:
    vectorizer = cast(_Vectorizer, vectorizer_)
    asked = (vectorizer.lowercase, vectorizer.token_pattern, tuple(vectorizer.ngram_range), vectorizer.norm)
    if asked != (True, r"(?u)\b\w\w+\b", (1, 1), "l2") or vectorizer.binary:
        raise LexiconError("the weights come from a vectorizer of another kind")
    tfidf = vars(vectorizer_)["_tfidf"]
    idf_ = vars(tfidf).get("idf_")
    if idf_ is None:
        raise LexiconError("no inverse document frequencies")
    idf = _array(idf_)
    svms: list[tuple[float, float, float]] = []
    weights: list[list[float]] = []
    for calibrated in vars(model)["calibrated_classifiers_"]:
        parts = vars(calibrated)
        svm = vars(parts["estimator"])
        (sigmoid,) = parts["calibrators"]
        weights.append([a * b for a, b in zip(_array(svm["coef_"]), idf, strict=True)])
        intercept = _array(svm["intercept_"])[0]
        svms.append((intercept, float(vars(sigmoid)["a_"]), float(vars(sigmoid)["b_"])))
    rows = list(zip(*weights, strict=True))
    words = {
        word: Word(idf[at] ** 2, rows[at], sum(rows[at]) / len(rows[at]))
        for word, at in vectorizer.vocabulary_.items()
    }
    return LexicalModel(words, svms)


def _array(value: object) -> array[float]:
    if not isinstance(value, _ArrayHolder):
        raise LexiconError("an array is missing")
    return value.array

"""The engine: audio segments in, words with times out. This module is the contract; it needs neither torch nor a log.

`load_engine` gives the engine of a name: `ctc` runs a Hugging Face `Wav2Vec2BertForCTC` checkpoint (`ctc.py`), `stub`
invents a text from the audio's length, for measuring everything around the model. Engines are loaded when asked for,
so that a process that runs the stub never imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final, Protocol

from ringtrue.errors import Misconfigured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class EngineError(Misconfigured):
    """The engine cannot be had as it was asked for; the message says what to change."""


class UnknownEngineError(EngineError):
    """No engine has this name."""


class CheckpointError(EngineError):
    """A checkpoint is missing, incomplete or of another kind; the message names the file."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Mono audio: float32 samples in -1..1 at `rate_hz`."""

    samples: NDArray[np.float32]
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Word:
    """A heard word; times in milliseconds from the segment's start; confidence in 0..1 (the engine says of what)."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was heard in one segment, and by which model."""

    text: str
    words: tuple[Word, ...]
    model: str
    model_revision: str


class Engine(Protocol):
    """Turns segments into text. The order and the company of segments in a call never change a text."""

    @property
    def model(self) -> str:
        """The model's name, as results carry it."""

    @property
    def model_revision(self) -> str:
        """A short hash that changes when the weights do."""

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        """One transcription for each segment, in their order; empty where nothing was said or heard."""


class StubEngine:
    """Words by the clock: one for every half second of audio, always the same for the same length."""

    WORD_MS: Final = 500
    WORDS: Final = ("allô", "oui", "bonjour", "je", "vous", "appelle", "pour", "la", "ligne", "merci")

    model = "stub"
    model_revision = "1"

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        """See `Engine`."""
        return [self._transcription(segment) for segment in segments]

    def _transcription(self, segment: Segment) -> Transcription:
        count = len(segment.samples) * 1000 // segment.rate_hz // self.WORD_MS
        words = tuple(
            Word(text, index * self.WORD_MS, (index + 1) * self.WORD_MS, 1.0)
            for index, text in enumerate(islice(cycle(self.WORDS), count))
        )
        return Transcription(" ".join(word.text for word in words), words, self.model, self.model_revision)


def load_engine(name: str, model: str = "", device: str = "auto") -> Engine:
    """The engine of a name, ready to transcribe.

    Args:
        name: one of `ENGINES`.
        model: for `ctc` a checkpoint folder in the Hugging Face layout, or a name on the hub; the stub needs none.
        device: `auto` (a GPU when there is one), or a torch device such as `cpu` or `cuda:0`.

    Raises:
        UnknownEngineError: no engine has this name.
        EngineError: the engine's packages are not installed, or the device is not there.
        CheckpointError: the checkpoint cannot be used.
    """
    if name not in ENGINES:
        raise UnknownEngineError(f"no engine is called {name!r}; there are: {', '.join(ENGINES)}")
    return ENGINES[name](model, device)


def _stub(model: str, device: str) -> Engine:
    del model, device
    return StubEngine()


def _ctc(model: str, device: str) -> Engine:
    try:
        from services.asr.ctc import CtcEngine
    except ModuleNotFoundError as missing:
        raise EngineError(f"the ctc engine needs the package {missing.name}: install ringtrue[asr]") from missing
    return CtcEngine.load(model, device)


#: Engines by name.
ENGINES: Mapping[str, Callable[[str, str], Engine]] = {"ctc": _ctc, "stub": _stub}

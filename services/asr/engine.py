"""The engine: audio segments in, words with times out. This module is the contract; it needs neither torch nor a log.

An engine is a module that announces a function from `EngineOptions` to `Engine` under the entry points
`ringtrue.engines`; `load_engine` finds it by name and imports nothing of the others. Here are `ctc` (`ctc/`), `whisper`
(`whisper/`) and `stub` (`stub.py`), which echoes known texts, for measuring everything around a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Literal, Protocol

from ringtrue.errors import Misconfigured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Precision = Literal["auto", "float32", "float16", "bfloat16"]


class EngineError(Misconfigured):
    """The engine cannot be had as it was asked for; the message says what to change."""


class UnknownEngineError(EngineError):
    """No engine has this name."""


class SegmentError(ValueError):
    """A segment that cannot be transcribed, whatever shares its batch: the segment is at fault, not the engine."""


class CheckpointError(EngineError):
    """A checkpoint is missing, incomplete or of another kind; the message names the file."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Mono audio: float32 samples in -1..1 at `rate_hz`."""

    samples: NDArray[np.float32]
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Word:
    """A heard word; times in milliseconds from the segment's start; confidence in 0..1 (the engine says of what)."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was heard in one segment, and by which model.

    Attributes:
        language: ISO 639 code, where the engine is told it or detects it.
        margin: The least distance between the best and the second best token wherever taking the second would have
            changed the text, in logits; None where the engine has no such thing, or the text hangs on none.
        alternatives: Other texts that the engine considered, best first.
    """

    text: str
    words: tuple[Word, ...]
    model: str
    model_revision: str
    language: str | None = None
    margin: float | None = None
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine shall work; each takes what it has use for.

    Attributes:
        model: A checkpoint's folder in the Hugging Face layout, or its name on the hub. For the stub a file of texts.
        device: `auto` (a GPU when there is one), or a torch device such as `cpu` or `cuda:0`.
        precision: Of the model's arithmetic; `auto` is float16 on a GPU, float32 on a CPU.
        guard: A segment whose margin is below this is transcribed again in float32, when the model runs in less. None
            for the default of the precision, 0 for never.
        batch_s: Seconds of audio that go through the model at once, padding included; 0 for the device's default.
        language: Code that a multilingual model shall assume (Whisper: ISO 639-1, MMS: ISO 639-3, such as ary);
            empty to let it detect, or for the one that the checkpoint is set to.
        prompt: A text that the audio may be the continuation of: style, spelling (Whisper).
        vocabulary: Words that are likely to occur (Whisper: they stand before the prompt).
        beams: Hypotheses that a search keeps; 1 is greedy (Whisper).
        allow_pickle: Whether weights may be read from pickle files, which can run any code.
    """

    model: str = ""
    device: str = "auto"
    precision: Precision = "auto"
    guard: float | None = None
    batch_s: float = 0.0
    language: str = ""
    prompt: str = ""
    vocabulary: tuple[str, ...] = ()
    beams: int = 1
    allow_pickle: bool = False


class Engine(Protocol):
    """Turns segments into text. The order and the company of segments in a call never change a text.

    One thread loads an engine and calls it; what goes on side by side is the engine's own business.
    """

    @property
    def model(self) -> str:
        """The model's name, as results carry it."""

    @property
    def model_revision(self) -> str:
        """A short hash that changes when the weights do."""

    @property
    def window_s(self) -> float:
        """Seconds of audio that are worth handing over at once: what fills the batches that it has at work."""

    def close(self) -> None:
        """Ends its threads; it is not used again."""

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        """One transcription for each segment, in their order; empty where nothing was said or heard.

        Raises:
            SegmentError: One of them cannot be transcribed, alone or with others; the caller finds out which.
        """


def known_engines() -> Mapping[str, EntryPoint]:
    """The installed engines by name; nothing of them is imported yet."""
    return {point.name: point for point in entry_points(group="ringtrue.engines")}


def load_engine(name: str, options: EngineOptions = EngineOptions()) -> Engine:
    """The engine of a name, ready to transcribe.

    Raises:
        UnknownEngineError: No engine has this name.
        EngineError: The engine's packages are not installed, or the device is not there.
        CheckpointError: The checkpoint cannot be used.
    """
    known = known_engines()
    if name not in known:
        raise UnknownEngineError(f"no engine is called {name!r}; there are: {', '.join(sorted(known))}")
    try:
        load: Callable[[EngineOptions], Engine] = known[name].load()
    except ModuleNotFoundError as missing:
        raise EngineError(f"the {name} engine needs the package {missing.name}: install ringtrue[asr]") from missing
    return load(options)

"""The stub engine: echoes known texts at no cost, for tests and for measuring the pipeline around a model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from services.asr.engine import CheckpointError, EngineOptions, Segment, Transcription, Word


class StubEngine:
    """Says one of the texts it was given, always the same for the same audio; else a word for every half second.

    Args:
        texts: What may be said. A text's words are spread evenly over the audio.
    """

    WORD_MS: Final = 500
    WORDS: Final = ("allô", "oui", "bonjour", "je", "vous", "appelle", "pour", "la", "ligne", "merci")

    model = "stub"
    model_revision = "1"
    window_s = 400.0

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._texts = [text.split() for text in texts]

    def close(self) -> None:
        """See `Engine`."""

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        """See `Engine`."""
        return [self._transcription(segment) for segment in segments]

    def _transcription(self, segment: Segment) -> Transcription:
        length_ms = len(segment.samples) * 1000 // segment.rate_hz
        if self._texts:
            said = self._texts[zlib.crc32(segment.samples.tobytes()) % len(self._texts)]
        else:
            said = list(islice(cycle(self.WORDS), length_ms // self.WORD_MS))
            length_ms = len(said) * self.WORD_MS
        words = tuple(
            Word(text, index * length_ms // len(said), (index + 1) * length_ms // len(said), 1.0)
            for index, text in enumerate(said)
        )
        return Transcription(" ".join(said), words, self.model, self.model_revision)


def load(options: EngineOptions) -> StubEngine:
    """The stub; `options.model` may name a text file with one text on each line.

    Raises:
        CheckpointError: There is no such file, or no text in it.
    """
    if not options.model:
        return StubEngine()
    try:
        lines = Path(options.model).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{options.model}: the stub engine needs a text file with one text on each line"
        ) from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise CheckpointError(f"{options.model}: holds no text; the stub engine needs one on each line")
    return StubEngine(texts)

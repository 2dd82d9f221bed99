"""The Whisper engine: segments in, words with times out, by a `WhisperForConditionalGeneration` of any size.

Every segment is heard in windows of what the model hears at once (30 s), of which a segment of up to 30 s is one. A
window is decoded for itself, whatever shares its batch: no text, random draw or language of another one reaches it. In
float32 texts are therefore those of one segment at a time; in half precision the last bits of a sum depend on a batch's
shape, so that a tie between two tokens can fall differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from services.asr.audio import RATE_HZ, wave_of
from services.asr.batching import Budget, run
from services.asr.devices import device_of, precision_of
from services.asr.engine import EngineError, EngineOptions, Segment, Transcription
from services.asr.metrics import DROPPED
from services.asr.whisper.checkpoint import Checkpoint, open_checkpoint
from services.asr.whisper.decoder import Decoder
from services.asr.whisper.guards import Reading, believed
from services.asr.whisper.prompts import prompt_ids
from services.asr.whisper.windows import holds_sound, windows
from services.asr.whisper.words import words_of

_log = structlog.get_logger()

#: Windows in a batch, by beam. Each keeps the decoder's view of its audio: 245 MB for large-v3 in half precision.
WINDOWS: Final = {"cpu": 4}
WINDOWS_ACCELERATOR: Final = 32


@dataclass(frozen=True, slots=True)
class _Window:
    segment: int
    begin: int  # in samples of 16 kHz, from the segment's start
    wave: NDArray[np.float32]


class WhisperEngine:
    """See `Engine`. A word's confidence is the mean probability of its tokens; there is no margin.

    Empty are segments shorter than 100 ms or of digital silence, those that the model takes for no speech, and those
    where it repeats itself at every temperature (`guards` says why). Their language is the one it was told, if any.

    Args:
        checkpoint: Loaded.
        decoder: Of this checkpoint.
        most: Windows that go through the model at once.
    """

    def __init__(self, checkpoint: Checkpoint, decoder: Decoder, most: int) -> None:
        self._checkpoint = checkpoint
        self._decoder = decoder
        self._budget = Budget(most)

    @property
    def model(self) -> str:
        """See `Engine`."""
        return self._checkpoint.name

    @property
    def model_revision(self) -> str:
        """See `Engine`."""
        return self._checkpoint.revision

    @property
    def window_s(self) -> float:
        """See `Engine`."""
        return self._budget.most * self._checkpoint.window / RATE_HZ

    def close(self) -> None:
        """See `Engine`."""

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        """See `Engine`.

        Of a segment of several windows the language is that of the window with the longest text, and there are no
        alternatives.

        Raises:
            ValueError: Samples are not mono, or not finite, or their rate is not positive; or a window alone is more
                than the device has memory for.
        """
        waves = [wave_of(index, segment) for index, segment in enumerate(segments)]
        heard = [
            _Window(index, begin, wave[begin:end])
            for index, wave in enumerate(waves)
            for begin, end in windows(wave, self._checkpoint.window)
            if holds_sound(wave[begin:end])
        ]
        said: dict[int, tuple[str, Reading]] = {}

        def launch(batch: list[int]) -> Callable[[], None]:
            read = self._decoder.read([heard[index].wave for index in batch])

            def finish() -> None:
                for index, (language, readings) in zip(batch, read, strict=True):
                    reading = believed(readings)
                    if isinstance(reading, Reading):
                        said[index] = (language, reading)
                    else:
                        DROPPED.labels(reading).inc()
                        _log.info("nothing believed", why=reading, seconds=len(heard[index].wave) / RATE_HZ)

            return finish

        run([1] * len(heard), range(len(heard)), self._budget, launch, in_flight=1)
        parts: list[list[tuple[_Window, str, Reading]]] = [[] for _ in segments]
        for index in sorted(said):
            parts[heard[index].segment].append((heard[index], *said[index]))
        return [self._joined(wave, part) for wave, part in zip(waves, parts, strict=True)]

    def _joined(self, wave: NDArray[np.float32], parts: Sequence[tuple[_Window, str, Reading]]) -> Transcription:
        end_ms = len(wave) * 1000 // RATE_HZ
        tokenizer = self._checkpoint.tokenizer
        return Transcription(
            text=" ".join(reading.text for _, _, reading in parts if reading.text),
            words=tuple(
                word
                for window, language, reading in parts
                for word in words_of(reading, tokenizer, language, window.begin * 1000 // RATE_HZ, end_ms)
            ),
            model=self.model,
            model_revision=self.model_revision,
            language=max(parts, key=lambda part: len(part[2].text))[1] if parts else self._decoder.language or None,
            alternatives=parts[0][2].alternatives if len(parts) == 1 else (),
        )


def load(options: EngineOptions) -> WhisperEngine:
    """The engine of a checkpoint.

    Args:
        options: All but `guard`, which is for engines with a margin. `batch_s` counts whole windows; without it there
            are 4 in a batch on a CPU and 32 on a GPU, divided by `beams`.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        EngineError: There is no such device, the model does not know the language, or another option makes no sense.
    """
    if options.beams < 1:
        raise EngineError(f"RINGTRUE_ASR__BEAMS is {options.beams}; it must be 1 (greedy) or more")
    device = device_of(options.device)
    checkpoint = open_checkpoint(
        options.model, device, precision_of(options.precision, device), allow_pickle=options.allow_pickle
    )
    prompt = prompt_ids(checkpoint.tokenizer, options.prompt, options.vocabulary, checkpoint.longest)
    decoder = Decoder(checkpoint, options.language, prompt, options.beams)
    if options.batch_s:
        most = int(options.batch_s * RATE_HZ) // checkpoint.window
    else:
        most = WINDOWS.get(device.type, WINDOWS_ACCELERATOR) // options.beams
    return WhisperEngine(checkpoint, decoder, max(1, most))

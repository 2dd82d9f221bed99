"""The ASR worker: segments are gathered by length of audio, transcribed in one go, and answered each for itself.

The transaction opens only after the engine has finished. A segment that fails alone is found by halving the batch; it
goes to the dead letters with a failed result for its part, and the others of its batch are answered as if it had not
been there.
"""

import io
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import soundfile

from ringtrue.errors import BadRecord
from ringtrue.messages import SegmentAudio, SegmentTranscribed, Word
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import READ_BY, SEGMENTS_TRANSCRIBED
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import AUDIO, INFERENCE
from services.asr.engine import Engine, Segment, Transcription, load_engine


class Asr(Worker):
    """`segments.audio` to `segments.transcribed`.

    Args:
        engine: Name of the engine.
        model: A checkpoint's folder or hub name.
        device: `auto`, `cpu` or `cuda:N`.
        batch_s: Seconds of audio that go through the engine at once.
        linger_s: How long a batch may wait to fill up.
    """

    name = "asr"
    inputs = READ_BY["asr"]

    def __init__(self, engine: str, model: str, device: str, *, batch_s: float, linger_s: float) -> None:
        self._make = (engine, model, device)
        # A turn ends before anyone takes this process for stuck: about two batches, or that many segments of 10 s.
        self.limit = max(8, int(batch_s / 10))
        self._batch_s = batch_s
        self.linger_s = linger_s
        self._engine: Engine | None = None
        self._decoders: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Loads the model and runs it once, so that the first call does not pay for it."""
        self._decoders = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="decode")
        self._engine = load_engine(*self._make)
        self._engine.transcribe([Segment(np.zeros(8000, np.float32), 8000)])

    def stop(self) -> None:
        """See `Worker.stop`."""
        if self._decoders is not None:
            self._decoders.shutdown()

    def handle_many(self, steps: Sequence[Step]) -> None:
        """See `Worker.handle_many`."""
        if self._engine is None or self._decoders is None:
            raise RuntimeError("the engine is not loaded: start() comes first")
        decoded = list[tuple[Step, Segment]]()
        # libsndfile decodes outside of Python's lock.
        decoding = [self._decoders.submit(decode, step.message) for step in steps]
        for step, future in zip(steps, decoding, strict=True):
            step.attempt(partial(_take, future, decoded), self.refused)
        for batch in self._batches(decoded):
            started = time.perf_counter()
            self._transcribe(self._engine, batch)
            INFERENCE.labels(self.name).inc(time.perf_counter() - started)
            AUDIO.labels(self.name).inc(sum(_seconds(segment) for _, segment in batch))

    def _batches(self, decoded: Sequence[tuple[Step, Segment]]) -> Iterator[list[tuple[Step, Segment]]]:
        batch = list[tuple[Step, Segment]]()
        seconds = 0.0
        for step, segment in decoded:
            if batch and seconds + _seconds(segment) > self._batch_s:
                yield batch
                batch, seconds = [], 0.0
            batch.append((step, segment))
            seconds += _seconds(segment)
        if batch:
            yield batch

    def _transcribe(self, engine: Engine, batch: Sequence[tuple[Step, Segment]]) -> None:
        try:
            results = engine.transcribe([segment for _, segment in batch])
        except (ValueError, ArithmeticError) as error:
            if len(batch) == 1:
                step, _ = batch[0]
                step.fail(BadRecord("not_transcribable", f"the engine refuses this segment: {error}"), self.refused)
                return
            half = len(batch) // 2
            self._transcribe(engine, batch[:half])
            self._transcribe(engine, batch[half:])
            return
        for (step, _), result in zip(batch, results, strict=True):
            step.attempt(partial(self._answer, result), self.refused)

    def _answer(self, result: Transcription, step: Step) -> None:
        part: SegmentAudio = step.message
        words = tuple(
            Word(
                text=word.text,
                start_ms=part.start_ms + word.start_ms,
                end_ms=part.start_ms + word.end_ms,
                confidence=word.confidence,
                channel=part.channel,
            )
            for word in result.words
        )
        answer = SegmentTranscribed(
            call_id=part.call_id,
            run=part.run,
            index=part.index,
            total=part.total,
            channel=part.channel,
            start_ms=part.start_ms,
            end_ms=part.end_ms,
            overlap_ms=part.overlap_ms,
            status="ok",
            words=words,
            model=result.model,
            model_revision=result.model_revision,
            language=result.language,
            margin=result.margin,
            alternatives=result.alternatives or None,
            event_time_ms=step.now_ms,
        )
        step.send(SEGMENTS_TRANSCRIBED, part.call_id, answer)

    def refused(self, step: Step, problem: BadRecord) -> None:
        """The part is answered as failed; when its bytes cannot be read, the headers say which part it was."""
        answer = SegmentTranscribed.failed(step.headers, self.failure(problem), step.now_ms)
        if answer is None:
            return
        part = step.message
        if isinstance(part, SegmentAudio):
            answer = replace(answer, channel=part.channel, start_ms=part.start_ms, end_ms=part.end_ms)
        step.send(SEGMENTS_TRANSCRIBED, answer.call_id, answer)


def _take(future: Future[Segment], decoded: list[tuple[Step, Segment]], step: Step) -> None:
    decoded.append((step, future.result()))


def decode(message: object) -> Segment:
    """The samples of a part.

    Raises:
        BadRecord: It is no part, or its audio is not FLAC.
    """
    if not isinstance(message, SegmentAudio):
        raise BadRecord("unexpected", f"asr does not expect a {type(message).__name__}")
    try:
        with soundfile.SoundFile(io.BytesIO(message.flac)) as file:
            if file.format != "FLAC" or file.channels != 1:
                raise BadRecord("not_flac", f"part {message.index} of {message.call_id} is not mono FLAC audio")
            return Segment(file.read(dtype="float32"), file.samplerate)
    except soundfile.LibsndfileError as error:
        raise BadRecord("not_flac", f"part {message.index} of {message.call_id} is not FLAC audio: {error}") from error


def _seconds(segment: Segment) -> float:
    return len(segment.samples) / segment.rate_hz

"""The ASR worker: segments are gathered by length of audio, transcribed in one go, and answered each for itself.

The transaction opens only after the engine has finished. A segment that fails alone is found by halving the window; it
goes to the dead letters with a failed result for its part, and the others are answered as if it had not been there.
What is not a segment's fault, such as a lost GPU, ends the process: whoever started it starts it again.
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
import structlog

from ringtrue.errors import Away, BadRecord
from ringtrue.messages import SegmentAudio, SegmentTranscribed, Word
from ringtrue.streaming.port import Log
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import READ_BY, SEGMENTS_AUDIO, SEGMENTS_TRANSCRIBED
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import AUDIO, INFERENCE
from services.asr.engine import Engine, EngineOptions, Segment, SegmentError, Transcription, load_engine
from services.asr.metrics import BACKLOG, QUEUE_AGE

_log = structlog.get_logger()

#: How often the backlog is asked for: it takes a few round trips to the log.
_LOOK_EVERY_S = 15.0
#: What a part is taken to last before any was seen, and how much each new one weighs in the mean.
_PART_S = 10.0
_NEW_WEIGHS = 0.1
#: Audio that the engine runs over before it is ready: its kernels are chosen, its memory is taken, its speed is seen.
_WARM_UP_S = (1.0, 25.0)
#: How long a window may take, so that the member's turn ends well before anyone takes this process for stuck.
_TURN_S = 60.0


class Asr(Worker):
    """`segments.audio` to `segments.transcribed`.

    Args:
        log: Is asked for the backlog.
        engine: Name of the engine.
        options: How it shall work.
        linger_s: How long a part may wait for others to share a batch with.
    """

    name = "asr"
    inputs = READ_BY["asr"]
    limit = 256

    def __init__(self, log: Log, engine: str, options: EngineOptions, *, linger_s: float) -> None:
        self.linger_s = linger_s
        self._log = log
        self._make = (engine, options)
        self._part_s = _PART_S
        self._speed = 1.0  # seconds of audio in a second
        self._next_look = 0.0
        self._engine: Engine | None = None
        self._decoders: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Loads the model and runs it once, so that the first call does not pay for it."""
        self._decoders = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="decode")
        engine, options = self._make
        self._engine = load_engine(engine, options)
        started = time.perf_counter()
        noise = np.random.default_rng(0).standard_normal(round(8000 * max(_WARM_UP_S))).astype(np.float32)
        for seconds in _WARM_UP_S:
            self._engine.transcribe([Segment(0.05 * noise[: round(8000 * seconds)], 8000)])
        _log.info(
            "engine ready",
            engine=engine,
            model=self._engine.model,
            model_revision=self._engine.model_revision,
            warm_up_s=round(time.perf_counter() - started, 2),
        )

    def stop(self) -> None:
        """See `Worker.stop`."""
        if self._decoders is not None:
            self._decoders.shutdown()
        if self._engine is not None:
            self._engine.close()

    def wanted(self) -> int:
        """As many parts as the window holds, going by the mean length of those before."""
        return max(1, min(self.limit, round(self._window_s() / self._part_s)))

    def _window_s(self) -> float:
        """Seconds of audio to take: what the engine can use at once, as far as it is done in good time."""
        return min(self._engine.window_s, self._speed * _TURN_S) if self._engine else _PART_S

    def paused(self) -> str:
        """Never pauses, but tells the backlog now and then."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_EVERY_S
            try:
                parts = self._log.backlog({self.name: [SEGMENTS_AUDIO.name]})[self.name, SEGMENTS_AUDIO.name]
            except Away:
                return ""  # receiving will say so
            BACKLOG.set(parts * self._part_s)
        return ""

    def handle_many(self, steps: Sequence[Step]) -> None:
        """See `Worker.handle_many`."""
        if self._engine is None or self._decoders is None:
            raise RuntimeError("the engine is not loaded: start() comes first")
        decoded = list[tuple[Step, Segment]]()
        # libsndfile decodes outside of Python's lock. What was refused already may be what kills it.
        decoding = [self._decoders.submit(decode, step.message) if step.refusal is None else None for step in steps]
        for step, future in zip(steps, decoding, strict=True):
            if step.record is not None:
                QUEUE_AGE.observe(max(0, step.now_ms - step.record.timestamp_ms) / 1000)
            step.attempt(partial(_take, future, decoded), self.refused)
        for _, segment in decoded:
            self._part_s += _NEW_WEIGHS * (segment.duration_s - self._part_s)
        for window in _windows(decoded, self._window_s()):
            started = time.perf_counter()
            self._transcribe(self._engine, window)
            taken, seconds = time.perf_counter() - started, sum(segment.duration_s for _, segment in window)
            self._speed += _NEW_WEIGHS * (seconds / max(taken, 1e-3) - self._speed)
            INFERENCE.labels(self.name).inc(taken)
            AUDIO.labels(self.name).inc(seconds)
            steps[0].lives()

    def _transcribe(self, engine: Engine, window: Sequence[tuple[Step, Segment]]) -> None:
        try:
            results = engine.transcribe([segment for _, segment in window])
        except SegmentError as error:
            if len(window) == 1:
                step, _ = window[0]
                step.fail(BadRecord("not_transcribable", f"the engine refuses this segment: {error}"), self.refused)
                return
            half = len(window) // 2
            self._transcribe(engine, window[:half])
            self._transcribe(engine, window[half:])
            return
        for (step, _), result in zip(window, results, strict=True):
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


def _take(future: Future[Segment] | None, decoded: list[tuple[Step, Segment]], step: Step) -> None:
    if future is not None:
        decoded.append((step, future.result()))


def _windows(parts: Sequence[tuple[Step, Segment]], window_s: float) -> Iterator[list[tuple[Step, Segment]]]:
    """The parts in windows of so much audio: what was taken by a mean may be longer. A longer part goes alone."""
    window = list[tuple[Step, Segment]]()
    seconds = 0.0
    for step, segment in parts:
        if window and seconds + segment.duration_s > 1.25 * window_s:
            yield window
            window, seconds = [], 0.0
        window.append((step, segment))
        seconds += segment.duration_s
    if window:
        yield window


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

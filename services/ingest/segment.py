"""Segment: fetches requested recordings, decodes and hears them, and sends the parts to be transcribed.

Several calls are heard at once, because the speech network wants many channels side by side. Parts are the same by
index whenever a run is heard again, so a call of hours is sent in several transactions. While asr is far behind,
nothing more is taken: the audio on its topic never waits longer than it is kept.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ringtrue.errors import BadRecord
from ringtrue.messages import CallHeard, CallRequested, SegmentAudio
from ringtrue.storage import ObjectStore
from ringtrue.streaming.port import Log
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_HEARD, READ_BY, SEGMENTS_AUDIO
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import AUDIO
from services.ingest.audio.decode import DecodeLimits, Recording, Undecodable
from services.ingest.audio.decoder_process import DecoderPool
from services.ingest.audio.hearing import Hearing, HearingSettings, Part, hear_many
from services.ingest.audio.speech import SpeechDetector

#: An hour of uncompressed telephone audio in stereo is 58 MB.
_RECORDING_BYTES = 500_000_000
#: Recordings, as they are stored, that are fetched and decoded side by side.
_GROUP_BYTES = 64_000_000
#: How often the backlog of asr is asked for: it takes a few round trips to the log.
_LOOK_EVERY_S = 1.0
#: Audio that is sent in one transaction.
_CHUNK_BYTES = 16_000_000
#: Audio that is decoded side by side: bounds memory, whatever the recordings' lengths.
_BATCH_S = 3_600.0
#: A part's length where none has been cut yet, for the estimate of what asr has before it.
_USUAL_PART_S = 10.0


class Segment(Worker):
    """`calls.requested` to `calls.heard` and `segments.audio`.

    Args:
        store: Where the recordings are.
        log: Tells how far behind asr is.
        hearing: Country and lengths.
        limits: What one file may cost.
        decoders: Child processes that decode.
        max_backlog_s: Audio before asr above which nothing more is taken.
    """

    name = "ingest-segment"
    inputs = READ_BY["ingest-segment"]
    limit = 16

    def __init__(
        self,
        store: ObjectStore,
        log: Log,
        hearing: HearingSettings,
        limits: DecodeLimits,
        *,
        decoders: int,
        max_backlog_s: float,
    ) -> None:
        self._store = store
        self._log = log
        self._settings = hearing
        self._limits = limits
        self._decoders = decoders
        self._max_backlog_s = max_backlog_s
        self._next_look = 0.0
        self._waiting = 0  # parts that asr had before it when last asked
        self._part_s = _USUAL_PART_S
        self._pool: DecoderPool | None = None
        self._detector: SpeechDetector | None = None

    def start(self) -> None:
        """See `Worker.start`."""
        self._pool = DecoderPool(self._decoders, self._limits)
        self._detector = SpeechDetector()

    def stop(self) -> None:
        """See `Worker.stop`."""
        if self._pool is not None:
            self._pool.close()

    def paused(self) -> str:
        """See `Worker.paused`."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_EVERY_S
            self._waiting = self._log.backlog({"asr": [SEGMENTS_AUDIO.name]})["asr", SEGMENTS_AUDIO.name]
        parts = self._waiting
        if parts * self._part_s <= self._max_backlog_s:
            return ""
        return f"asr has {parts} parts before it, about {parts * self._part_s / 3600:.1f} h of audio"

    def handle_many(self, steps: Sequence[Step]) -> None:
        """See `Worker.handle_many`."""
        for group in _by_size(steps):
            self._handle(group)

    def _handle(self, steps: Sequence[Step]) -> None:
        batch = list[tuple[Step, Recording]]()
        for step, recording in self._decoded(steps):
            if batch and sum(one.duration_ms for _, one in batch) + recording.duration_ms > _BATCH_S * 1000:
                self._hear(batch)
                batch = []
            batch.append((step, recording))
        self._hear(batch)

    def _fetch(self, file: Path, fetched: list[tuple[Step, Path]], step: Step) -> None:
        asked = step.message
        if not isinstance(asked, CallRequested):
            raise BadRecord("unexpected", f"segment does not expect a {type(asked).__name__}")
        with file.open("wb") as written:
            written.writelines(self._store.stream(asked.bucket, asked.key, asked.etag, _RECORDING_BYTES))
        fetched.append((step, file))

    def _decoded(self, steps: Sequence[Step]) -> list[tuple[Step, Recording]]:
        if self._pool is None:
            raise RuntimeError("no decoders: start() comes first")
        with self._pool.folder() as folder:
            fetched = list[tuple[Step, Path]]()
            for number, step in enumerate(steps):
                step.attempt(partial(self._fetch, folder / str(number), fetched), self.refused)
            answers = self._pool.decode_many([(step.message.key, file) for step, file in fetched])
        decoded = []
        for (step, _), answer in zip(fetched, answers, strict=True):
            if isinstance(answer, Undecodable):
                step.fail(answer, self.refused)
            else:
                decoded.append((step, answer))
        return decoded

    def _hear(self, batch: Sequence[tuple[Step, Recording]]) -> None:
        if self._detector is None:
            raise RuntimeError("no speech detector: start() comes first")
        hearings = hear_many(
            [recording for _, recording in batch],
            self._settings,
            self._detector,
            [step.message.agent_channel for step, _ in batch],
        )
        for (step, recording), hearing in zip(batch, hearings, strict=True):
            AUDIO.labels(self.name).inc(recording.duration_ms / 1000)
            step.attempt(partial(self._send, hearing), self.refused)

    def _send(self, hearing: Hearing, step: Step) -> None:
        asked: CallRequested = step.message
        heard = CallHeard(
            call_id=asked.call_id,
            run=asked.run,
            status="ok",
            heard=hearing.heard,
            parts_total=len(hearing.parts),
            event_time_ms=step.now_ms,
        )
        step.send(CALLS_HEARD, asked.call_id, heard)
        waiting = 0
        for part in hearing.parts:
            segment = _segment(asked, part, step.now_ms)
            step.send(SEGMENTS_AUDIO, asked.call_id, segment)
            waiting += len(segment.flac)
            if waiting > _CHUNK_BYTES:
                step.checkpoint()
                waiting = 0
            # A mean that follows the last hundred parts or so.
            self._part_s += ((part.end_ms - part.start_ms) / 1000 - self._part_s) / 100

    def refused(self, step: Step, problem: BadRecord) -> None:
        """The run is answered as failed; when its bytes cannot be read, the headers say which run it was."""
        headers = step.headers
        if "call_id" not in headers or not headers.get("run", "").isdecimal():
            return
        failed = CallHeard(
            call_id=headers["call_id"],
            run=int(headers["run"]),
            status="failed",
            failure=self.failure(problem),
            parts_total=0,
            event_time_ms=step.now_ms,
        )
        step.send(CALLS_HEARD, failed.call_id, failed)


def _by_size(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in groups whose recordings are not too much to hold at once."""
    group, held = list[Step](), 0
    for step in steps:
        size = step.message.size if isinstance(step.message, CallRequested) else 0
        if group and held + size > _GROUP_BYTES:
            yield group
            group, held = [], 0
        group.append(step)
        held += size
    yield group


def _segment(asked: CallRequested, part: Part, now_ms: int) -> SegmentAudio:
    return SegmentAudio(
        call_id=asked.call_id,
        run=asked.run,
        index=part.index,
        total=part.total,
        channel=part.channel,
        start_ms=part.start_ms,
        end_ms=part.end_ms,
        overlap_ms=part.overlap_ms,
        rate_hz=part.rate_hz,
        flac=part.flac,
        event_time_ms=now_ms,
    )

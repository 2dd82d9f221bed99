"""A worker in a process of its own: `python -m tests.faults.child JOB`.

It prints `ready`, `away REASON` and `computing`, one to a line. SIGTERM ends it in good order, with code 0; an error of
its loop ends it with code 1, and 2 where the settings are at fault.
"""

import faulthandler
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from ringtrue.errors import BadRecord, Misconfigured
from ringtrue.messages import SegmentAudio, SegmentTranscribed, Word
from ringtrue.service import stop_event
from ringtrue.storage.folder import FolderStore
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import READ_BY, SEGMENTS_TRANSCRIBED
from ringtrue.streaming.worker import Loop, Worker
from ringtrue.telemetry import Health, configure_logging
from services.assembler import worker as assembler
from tests.faults.job import Job
from tests.faults.newer import learn

_LOOK_S = 0.02
_HUGE = "x" * 1_100_000


class Computing:
    """Computing that a test can hold up."""

    def __init__(self, pause_at: int) -> None:
        self._left = pause_at

    def compute(self) -> None:
        """Waits for a line when this is the batch to wait in."""
        self._left -= 1
        if self._left == 0:
            say("computing")
            sys.stdin.readline()


class Copier(Worker):
    """`segments.audio` to `segments.transcribed`, in asr's place.

    What it sends tells from which record it came (`model`), in which batch and of how many (`model_revision`).
    """

    name = "asr"
    inputs = READ_BY["asr"]

    def __init__(self, job: Job) -> None:
        self.limit = job.limit
        self._job = job
        self._computing = Computing(job.pause_at)

    def handle_many(self, steps: Sequence[Step]) -> None:
        copied = list[tuple[Step, SegmentTranscribed]]()
        for step in steps:
            step.attempt(lambda step: copied.append((step, self._copy(step))), self.refused)
        self._computing.compute()
        batch = f"{uuid.uuid4().hex}:{len(copied)}"
        for step, part in copied:
            step.send(SEGMENTS_TRANSCRIBED, part.call_id, replace(part, model_revision=batch))
            step.finish()

    def _copy(self, step: Step) -> SegmentTranscribed:
        audio = step.message
        if not isinstance(audio, SegmentAudio):
            raise BadRecord("unexpected", f"no audio: {type(audio).__name__}")
        if audio.call_id == self._job.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if audio.call_id == self._job.grown:
            step.send(SEGMENTS_TRANSCRIBED, audio.call_id, self._part(step, audio, _HUGE))
        return self._part(step, audio, f"word{audio.index}")

    def _part(self, step: Step, audio: SegmentAudio, text: str) -> SegmentTranscribed:
        assert step.record is not None
        word = Word(text=text, start_ms=audio.start_ms, end_ms=audio.end_ms, confidence=1.0, channel=0)
        return SegmentTranscribed(
            call_id=audio.call_id,
            run=audio.run,
            index=audio.index,
            total=audio.total,
            channel=0,
            start_ms=audio.start_ms,
            end_ms=audio.end_ms,
            overlap_ms=0,
            status="ok",
            words=(word,),
            model=f"{step.record.partition}/{step.record.offset}",
            model_revision="",
            event_time_ms=step.now_ms,
        )

    def refused(self, step: Step, problem: BadRecord) -> None:
        """A part that cannot be read is answered as failed, when its headers name it."""
        headers = step.headers
        if not {"call_id", "run", "index", "total"} <= headers.keys():
            return
        failed = SegmentTranscribed(
            call_id=headers["call_id"],
            run=int(headers["run"]),
            index=int(headers["index"]),
            total=int(headers["total"]),
            channel=0,
            start_ms=0,
            end_ms=0,
            overlap_ms=0,
            status="failed",
            failure=self.failure(problem),
            words=(),
            model="",
            model_revision="",
            event_time_ms=step.now_ms,
        )
        step.send(SEGMENTS_TRANSCRIBED, failed.call_id, failed)


class Assembler(assembler.Assembler):
    """The real one; a test can hold up its computing."""

    def __init__(self, job: Job) -> None:
        self.limit = job.limit
        self._computing = Computing(job.pause_at)

    def handle_many(self, steps: Sequence[Step]) -> None:
        self._computing.compute()
        super().handle_many(steps)


def say(line: str) -> None:
    """Tells the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def make(job: Job) -> Worker:
    """The worker of a job."""
    if job.role == "copier":
        return Copier(job)
    if job.role == "assembler":
        if job.lost_after_s:
            vars(assembler)["_LOST_AFTER_MS"] = int(job.lost_after_s * 1000)
        return Assembler(job)
    from ringtrue.manifests.layouts import load_layouts
    from services.ingest.cases import Manifests

    return Manifests(FolderStore(Path(job.bucket)), load_layouts(), ZoneInfo("Africa/Casablanca"), None)


def main(job: Job) -> int:
    """Runs the worker until SIGTERM; the exit code."""
    configure_logging("info")
    faulthandler.register(signal.SIGUSR1)  # a test that waits in vain asks where we are
    structlog.contextvars.bind_contextvars(pid=os.getpid())
    stop = stop_event(with_parent=True)
    if job.knows_newer:
        learn()
    log = KafkaLog(job.kafka, job.log, Path(job.folder))
    worker = make(job)
    health = Health(worker.name)
    threading.Thread(target=_tell_health, args=(health,), daemon=True).start()
    try:
        Loop(worker, log, slot=job.slot, stop=stop, health=health).run()
    except Exception as error:
        structlog.get_logger().exception("worker ended", worker=worker.name, reason=str(error))
        return 2 if isinstance(error, Misconfigured) else 1
    finally:
        log.close()
    return 0


def _tell_health(health: Health) -> None:
    told = "starting"
    while True:
        now = "ready" if health.ready else f"away {health.reason}"
        if now != told and health.reason != "starting":
            told = now
            say(now)
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    sys.exit(main(Job.load(sys.argv[1])))

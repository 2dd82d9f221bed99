"""Counts the parts of each run until they are all there, in whatever order they come, failed ones included.

State: one entry per call (which run, what arrived) and one per part that waits. A newer run replaces an older one, an
equal message is a duplicate, an older one is dropped. Timers decide nothing about slow work: a run is given up only
when the audio of its parts can no longer exist; then one new run is commanded, and a second loss stays failed.
"""

from dataclasses import replace

from ringtrue.errors import BadRecord
from ringtrue.messages import CallCommand, CallHeard, CallTranscribed, Failure, SegmentTranscribed
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_COMMANDS, CALLS_HEARD, CALLS_TRANSCRIBED, READ_BY, SEGMENTS_AUDIO, state_of
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import DROPPED
from services.assembler.assembly import language_of, margin_of, text_of, words_of
from services.assembler.state import OpenCall

_DAY_MS = 24 * 3600 * 1000
#: When a run's audio has left its topic for certain.
_LOST_AFTER_MS = SEGMENTS_AUDIO.retention_ms + _DAY_MS
#: How long a closed run is remembered, so that late duplicates are known: longer than any topic keeps them.
_FORGET_AFTER_MS = 30 * _DAY_MS


class Assembler(Worker):
    """`calls.heard` and `segments.transcribed` to `calls.transcribed`."""

    name = "assembler"
    inputs = READ_BY["assembler"]
    state = state_of("assembler").name
    limit = 200

    def handle(self, step: Step) -> None:
        """See `Worker.handle`."""
        match step.message:
            case CallHeard() as heard:
                self._heard(step, heard)
            case SegmentTranscribed() as part:
                self._part(step, part)
            case other:
                raise BadRecord("unexpected", f"the assembler does not expect a {type(other).__name__}")

    def _heard(self, step: Step, heard: CallHeard) -> None:
        call = self._open(step, heard.call_id, heard.run)
        if call is None or call.heard is not None:
            DROPPED.labels(self.name, "duplicate or older").inc()
        elif heard.status == "failed":
            self._close(step, replace(call, heard=heard), "failed", heard.failure)
        else:
            self._keep(step, replace(call, heard=heard, total=heard.parts_total))

    def _part(self, step: Step, part: SegmentTranscribed) -> None:
        call = self._open(step, part.call_id, part.run)
        if call is None or part.index in call.received:
            DROPPED.labels(self.name, "duplicate or older").inc()
            return
        step.put(_part_key(part.call_id, part.index), part)
        self._keep(step, replace(call, total=part.total, received=(*call.received, part.index)))

    def _open(self, step: Step, call_id: str, run: int) -> OpenCall | None:
        """The entry of this run, new if need be; None when a newer run is under way or this one has ended."""
        call = step.get(call_id, OpenCall)
        if call is not None and (call.run > run or (call.run == run and call.closed)):
            return None
        if call is not None and call.run == run:
            return call
        lost_before = False
        if call is not None:
            self._drop_parts(step, call_id)
            lost_before = call.retried
        return OpenCall(
            call_id=call_id, run=run, received=(), closed=False, retried=lost_before, opened_at_ms=step.now_ms
        )

    def _keep(self, step: Step, call: OpenCall) -> None:
        if call.heard is not None and len(call.received) >= call.heard.parts_total:
            self._complete(step, call)
        else:
            step.put(call.call_id, call, deadline_ms=call.opened_at_ms + _LOST_AFTER_MS)

    def _complete(self, step: Step, call: OpenCall) -> None:
        failures = [part.failure for part in self._parts(step, call.call_id) if part.failure is not None]
        total = len(call.received)
        if not failures:
            self._close(step, call, "complete", None)
        elif len(failures) < total:
            first = failures[0]
            message = f"{len(failures)} of {total} parts could not be transcribed: {first.message}"
            self._close(step, call, "partial", replace(first, message=message))
        else:
            self._close(step, call, "failed", failures[0])

    def _close(self, step: Step, call: OpenCall, status: str, failure: Failure | None) -> None:
        parts = self._parts(step, call.call_id)
        words = words_of(parts)
        heard = call.heard
        models = [(part.model, part.model_revision) for part in parts if part.status == "ok"]
        model, revision = models[0] if models else ("", "")
        transcribed = CallTranscribed(
            call_id=call.call_id,
            run=call.run,
            status=status,
            failure=failure,
            heard=heard.heard if heard else None,
            text=text_of(words, parts),
            words=words,
            parts_total=call.total or 0,
            parts_failed=sum(part.status != "ok" for part in parts),
            model=model,
            model_revision=revision,
            language=language_of(parts),
            margin=margin_of(parts),
            event_time_ms=step.now_ms,
        )
        step.send(CALLS_TRANSCRIBED, call.call_id, transcribed)
        self._drop_parts(step, call.call_id)
        lost = failure is not None and failure.reason == "lost_parts"
        closed = replace(call, heard=None, received=(), closed=True, retried=lost)
        step.put(call.call_id, closed, deadline_ms=step.now_ms + _FORGET_AFTER_MS)

    def _parts(self, step: Step, call_id: str) -> list[SegmentTranscribed]:
        return [part for _, part in step.scan(_part_key(call_id), SegmentTranscribed)]

    def _drop_parts(self, step: Step, call_id: str) -> None:
        for key, _ in step.scan(_part_key(call_id), SegmentTranscribed):
            step.delete(key)

    def expire(self, step: Step, key: str) -> None:
        """A run whose audio can no longer exist is closed as failed; an old closed one is forgotten."""
        call = step.get(key, OpenCall)
        if call is None or call.closed:
            step.delete(key)
            return
        arrived, total = len(call.received), "an unknown number of" if call.total is None else call.total
        message = f"{arrived} of {total} parts arrived before the audio of the others expired"
        lost_before = call.retried
        self._close(step, call, "failed", Failure(stage=self.name, reason="lost_parts", message=message))
        if not lost_before:
            command = CallCommand(
                call_id=key, command="reprocess", stage="segment", reason="lost_parts", event_time_ms=step.now_ms
            )
            step.send(CALLS_COMMANDS, key, command)

    def refused(self, step: Step, problem: BadRecord) -> None:
        """A part that cannot be read counts as failed; a call that cannot be read is failed. Headers name them."""
        failure = self.failure(problem)
        if step.record is None or step.record.topic != CALLS_HEARD.name:
            part = SegmentTranscribed.failed(step.headers, failure, step.now_ms)
            if part is not None:
                self._part(step, part)
            return
        headers = step.headers
        if "call_id" in headers and headers.get("run", "").isdecimal():
            heard = CallHeard(
                call_id=headers["call_id"],
                run=int(headers["run"]),
                status="failed",
                failure=failure,
                parts_total=0,
                event_time_ms=step.now_ms,
            )
            self._heard(step, heard)


def _part_key(call_id: str, index: int | None = None) -> str:
    # A control character that no object key holds keeps `a` apart from `ab`.
    return f"{call_id}\x1f" + ("" if index is None else f"{index:06d}")

"""The classifier's worker: each transcript gets both its answers; a call that failed passes on as not classified.

An engine that asks a model elsewhere may let calls go on as not classified when that has been away for too long (see
`AsksOutside`). Such a transcript stays in the state, and when the model is back it is sent to this worker once more as
the call's next run, as `ringtrue reprocess --from-stage classifier` would: the new answer replaces the old one, and
verdicts follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ringtrue.errors import BadRecord
from ringtrue.messages import CallClassified, CallTranscribed
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_CLASSIFIED, CALLS_TRANSCRIBED, READ_BY, state_of
from ringtrue.streaming.worker import Worker
from services.classifier.engine import NOT_CLASSIFIED, AsksOutside, Classification, Classifier, Transcript

#: When a call that waits is looked at again: after half the time that it has waited, within these bounds. So a long
#: outage is not spent on rewriting what waits, and its end is noticed within the hour.
_LOOK_AGAIN_MS = (60_000, 3_600_000)


class ClassifierWorker(Worker):
    """`calls.transcribed` to `calls.classified`, and back to `calls.transcribed` for calls that wait for a model.

    State: the transcript of each call that was let go on without an answer.

    Args:
        engine: What names the outcomes.
    """

    name = "classifier"
    inputs = READ_BY["classifier"]

    def __init__(self, engine: Classifier) -> None:
        self._engine = engine
        self._outside = engine if isinstance(engine, AsksOutside) else None
        if self._outside is not None:
            self.state = state_of("classifier").name

    def start(self) -> None:
        """See `Worker.start`."""
        if self._outside is not None:
            self._outside.start()

    def stop(self) -> None:
        """See `Worker.stop`."""
        if self._outside is not None:
            self._outside.close()

    def handle_many(self, steps: Sequence[Step]) -> None:
        """See `Worker.handle_many`."""
        heard = list[tuple[Step, CallTranscribed]]()
        for step in steps:
            step.attempt(lambda step: heard.append((step, _transcribed(step))), self.refused)
        asked = [(step, call) for step, call in heard if call.status != "failed"]
        for (step, call), answer in zip(asked, self._classified(asked), strict=True):
            self._answer(step, call, answer)
        for step, call in heard:
            if call.status == "failed":
                self._answer(step, call, NOT_CLASSIFIED)

    def expire(self, step: Step, key: str) -> None:
        """See `Worker.expire`: a call that waits for the model is taken up again, or waits on."""
        call = step.get(key, CallTranscribed)
        if call is None:
            return
        if self._outside is not None and self._outside.is_back(Transcript(call.words)):
            step.send(CALLS_TRANSCRIBED, call.call_id, replace(call, run=call.run + 1))
            step.delete(key)
        else:
            self._wait(step, call)

    def _classified(self, asked: Sequence[tuple[Step, CallTranscribed]]) -> Iterator[Classification]:
        """The answers. What asks elsewhere may take its time: it gets few calls at once, with signs of life between."""
        together = self._outside.together if self._outside is not None else max(1, len(asked))
        for start in range(0, len(asked), together):
            some = asked[start : start + together]
            yield from self._engine.classify_many([Transcript(call.words) for _, call in some])
            some[0][0].lives()

    def _answer(self, step: Step, call: CallTranscribed, answer: Classification) -> None:
        self._send(step, call, answer)
        if self.state is None:
            return
        if answer.waits:
            self._wait(step, call)
        elif (waiting := step.get(call.call_id, CallTranscribed)) is not None and waiting.run <= call.run:
            step.delete(call.call_id)

    def _wait(self, step: Step, call: CallTranscribed) -> None:
        least, most = _LOOK_AGAIN_MS
        waited_ms = step.now_ms - call.event_time_ms
        step.put(call.call_id, call, deadline_ms=step.now_ms + max(least, min(most, waited_ms // 2)))

    def _send(self, step: Step, call: CallTranscribed, answer: Classification) -> None:
        classified = CallClassified(
            call_id=call.call_id,
            run=call.run,
            status=call.status,
            failure=call.failure,
            heard=call.heard,
            acquisition=answer.acquisition,
            sav=answer.sav,
            behaviour=answer.behaviour,
            engine=self._engine.name,
            engine_version=self._engine.version,
            model_revision=call.model_revision,
            transcript=None if call.status == "failed" else call.text,
            shown=answer.shown,
            model=answer.model or None,
            prompt=answer.prompt or None,
            shortened=answer.shortened,
            event_time_ms=step.now_ms,
        )
        step.send(CALLS_CLASSIFIED, call.call_id, classified)

    def refused(self, step: Step, problem: BadRecord) -> None:
        """The call is answered as failed; headers say which run it was."""
        headers = step.headers
        if "call_id" not in headers or not headers.get("run", "").isdecimal():
            return
        failed = CallClassified(
            call_id=headers["call_id"],
            run=int(headers["run"]),
            status="failed",
            failure=self.failure(problem),
            acquisition=NOT_CLASSIFIED.acquisition,
            sav=NOT_CLASSIFIED.sav,
            behaviour=NOT_CLASSIFIED.behaviour,
            engine=self._engine.name,
            engine_version=self._engine.version,
            model_revision="",
            event_time_ms=step.now_ms,
        )
        step.send(CALLS_CLASSIFIED, failed.call_id, failed)


def _transcribed(step: Step) -> CallTranscribed:
    if not isinstance(step.message, CallTranscribed):
        raise BadRecord("unexpected", f"the classifier does not expect a {type(step.message).__name__}")
    return step.message

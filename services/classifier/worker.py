"""The classifier's worker: each transcript gets both its answers; a call that failed passes on as not classified."""

from collections.abc import Sequence

from ringtrue.errors import BadRecord
from ringtrue.messages import CallClassified, CallTranscribed
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_CLASSIFIED, READ_BY
from ringtrue.streaming.worker import Worker
from services.classifier.engine import NOT_CLASSIFIED, Classification, Classifier, Transcript


class ClassifierWorker(Worker):
    """`calls.transcribed` to `calls.classified`.

    Args:
        engine: What names the outcomes.
    """

    name = "classifier"
    inputs = READ_BY["classifier"]

    def __init__(self, engine: Classifier) -> None:
        self._engine = engine

    def handle_many(self, steps: Sequence[Step]) -> None:
        """See `Worker.handle_many`."""
        heard = list[tuple[Step, CallTranscribed]]()
        for step in steps:
            step.attempt(lambda step: heard.append((step, _transcribed(step))), self.refused)
        asked = [(step, call) for step, call in heard if call.status != "failed"]
        answers = self._engine.classify_many([Transcript(call.words) for _, call in asked])
        for (step, call), answer in zip(asked, answers, strict=True):
            self._send(step, call, answer)
        for step, call in heard:
            if call.status == "failed":
                self._send(step, call, NOT_CLASSIFIED)

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

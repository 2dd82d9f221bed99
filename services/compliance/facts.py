"""Facts: joins what the register and the classifier know of a call, and tells it to the judge of its client.

Until a new run has its result, the previous result stands. A call whose client number is corrected is retracted from
the former client. A call of no known client is nobody's fact yet.
"""

from dataclasses import replace

from ringtrue.errors import BadRecord
from ringtrue.messages import CallClassified, CallFacts, CallRegistered, CoverageMark, Heard, Span
from ringtrue.messages.audio import BUSY_TONES
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_FACTS, READ_BY, state_of
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import DROPPED
from services.compliance import coverage
from services.compliance.state import JoinedCall


class Facts(Worker):
    """`calls.registered` and `calls.classified` to `calls.facts`, with the coverage marks.

    Args:
        partitions: Of every topic; marks come from each and go to each.
        with_transcripts: A rule asks for what was said. Without, neither state nor facts hold transcripts.
    """

    name = "compliance-facts"
    inputs = READ_BY["compliance-facts"]
    state = state_of("compliance-facts").name
    limit = 200

    def __init__(self, *, partitions: int, with_transcripts: bool = False) -> None:
        self._partitions = partitions
        self._with_transcripts = with_transcripts

    def handle(self, step: Step) -> None:
        """See `Worker.handle`."""
        match step.message:
            case CallRegistered() as registered:
                self._registered(step, registered)
            case CallClassified() as classified:
                self._classified(step, classified)
            case CoverageMark() as mark:
                self._forward(step, mark)
            case other:
                raise BadRecord("unexpected", f"compliance does not expect a {type(other).__name__}")

    def _registered(self, step: Step, registered: CallRegistered) -> None:
        call = step.get(_call(registered.call_id), JoinedCall) or JoinedCall()
        known = call.registered
        if known is not None and registered.status == "failed" and call.classified is None and known.status != "failed":
            # The register has forgotten a call that an order wants: its result will not come, what is known stands.
            registered = replace(known, status="failed", failure=registered.failure)
        elif known is not None and (known.run, known.revision) >= (registered.run, registered.revision):
            DROPPED.labels(self.name, "duplicate or older").inc()
            return
        self._tell(step, registered.call_id, replace(call, registered=registered))

    def _classified(self, step: Step, classified: CallClassified) -> None:
        call = step.get(_call(classified.call_id), JoinedCall) or JoinedCall()
        if call.classified is not None and call.classified.run >= classified.run:
            DROPPED.labels(self.name, "duplicate or older").inc()
            return
        if not self._with_transcripts:
            classified = replace(classified, transcript=None)
        self._tell(step, classified.call_id, replace(call, classified=classified))

    def _tell(self, step: Step, call_id: str, call: JoinedCall) -> None:
        client = call.registered.client_number if call.registered else None
        if call.registered is not None:
            facts = facts_of(call.registered, call.classified, client or call.client_number or "", step.now_ms)
            if call.client_number is not None and call.client_number != client:
                step.send(
                    CALLS_FACTS, call.client_number, replace(facts, client_number=call.client_number, retracted=True)
                )
            if client is not None:
                step.send(CALLS_FACTS, client, facts)
        step.put(_call(call_id), replace(call, client_number=client))

    def _forward(self, step: Step, mark: CoverageMark) -> None:
        covered = coverage.advance(step, mark, self._partitions)
        if covered is None:
            return
        hours = coverage.summed_hours(step)
        for partition in range(self._partitions):
            forwarded = replace(covered, source_partition=step.partition, hours=hours)
            step.send(CALLS_FACTS, "coverage", forwarded, partition=partition)


def facts_of(registered: CallRegistered, classified: CallClassified | None, client: str, now_ms: int) -> CallFacts:
    """What the judge may know of a call, from both sides."""
    heard = classified.heard if classified else None
    failed = registered.status == "failed" and classified is None
    return CallFacts(
        call_id=registered.call_id,
        client_number=client,
        run=registered.run,
        revision=registered.revision,
        retracted=False,
        final=classified is not None or failed,
        status="failed" if failed else classified.status if classified else "registered",
        failure=registered.failure if failed else classified.failure if classified else None,
        external_id=registered.external_id,
        started_at_ms=registered.started_at_ms,
        branch=registered.branch,
        duration_ms=heard.duration_ms if heard else None,
        acquisition=classified.acquisition if classified else None,
        sav=classified.sav if classified else None,
        behaviour=classified.behaviour if classified else None,
        ring_count=heard.ring_count if heard else None,
        ring_confidence=heard.ring_confidence if heard else None,
        voicemail_tone=heard.voicemail_tone if heard else None,
        rings=_ring_spans(heard),
        transcript=classified.transcript if classified else None,
        ended_at_ms=registered.ended_at_ms,
        arrived_at_ms=registered.arrived_at_ms,
        busy_tone=any(tone.kind in BUSY_TONES for tone in heard.tones) if heard else None,
        fingerprint=heard.fingerprint if heard else None,
        models=classified.models if classified else None,
        event_time_ms=now_ms,
    )


def _ring_spans(heard: Heard | None) -> tuple[Span, ...]:
    if heard is None:
        return ()
    return tuple(
        Span(start_ms=ring.start_ms, end_ms=ring.end_ms, text=f"ring {number}")
        for number, ring in enumerate(heard.rings, start=1)
    )


def _call(call_id: str) -> str:
    return f"call:{call_id}"

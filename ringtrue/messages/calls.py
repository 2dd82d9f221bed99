"""Messages on the way of a call, from the object in the bucket to the facts that are judged.

The fields are documented in `schemas/`, one file per class.
"""

from collections.abc import Mapping

from ringtrue.messages.audio import Answer, Failure, Heard, Shown, Span, Word
from ringtrue.messages.base import message


def models_named(engine: str, version: str, model: str | None, prompt: str | None, asr_revision: str) -> str:
    """The models that a call's facts come from, in one text."""
    return f"{' '.join(filter(None, (engine, version, model, prompt)))}; asr {asr_revision}"


@message
class ObjectSeen:
    """An object that a notification or a listing reported (recordings.seen, manifests.seen)."""

    call_id: str | None = None
    bucket: str
    key: str
    kind: str
    etag: str
    size: int
    origin: str
    event_time_ms: int


@message
class HourCount:
    """How many recordings are registered of one hour of call time, and of unknown time written in it."""

    hour_ms: int
    registered: int
    unassigned: int
    undated: int


@message
class CoverageMark:
    """Everything in this scope from since to until stands before this mark on this partition."""

    source_partition: int
    scope: str
    since_ms: int
    until_ms: int
    hours: tuple[HourCount, ...]
    event_time_ms: int


@message
class CallRegistered:
    """What the register knows of a call (calls.registered)."""

    call_id: str
    run: int
    revision: int
    status: str
    failure: Failure | None = None
    bucket: str
    key: str
    etag: str
    size: int
    requested: bool
    client_number: str | None = None
    agent_number: str | None = None
    external_id: str | None = None
    branch: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    warnings: tuple[str, ...]
    arrived_at_ms: int | None = None
    event_time_ms: int


@message
class CallWanted:
    """An order's window wants this call transcribed (calls.wanted)."""

    call_id: str
    case_id: str
    event_time_ms: int


@message
class CallCommand:
    """A person or a worker asks to process a call again (calls.commands)."""

    call_id: str
    command: str
    stage: str
    reason: str
    event_time_ms: int


@message
class CallRequested:
    """A run of a call that is to be heard and transcribed (calls.requested)."""

    call_id: str
    run: int
    revision: int
    bucket: str
    key: str
    etag: str
    size: int
    agent_channel: int | None = None
    event_time_ms: int


@message
class CallHeard:
    """What is heard in a recording, and how many parts to expect (calls.heard)."""

    call_id: str
    run: int
    status: str
    failure: Failure | None = None
    heard: Heard | None = None
    parts_total: int
    event_time_ms: int


@message
class SegmentAudio:
    """One part of a call's audio (segments.audio)."""

    call_id: str
    run: int
    index: int
    total: int
    channel: int
    start_ms: int
    end_ms: int
    overlap_ms: int
    rate_hz: int
    flac: bytes
    event_time_ms: int


@message
class SegmentTranscribed:
    """The words of one part, or why there are none (segments.transcribed; also the assembler's state of a part)."""

    call_id: str
    run: int
    index: int
    total: int
    channel: int
    start_ms: int
    end_ms: int
    overlap_ms: int
    status: str
    failure: Failure | None = None
    words: tuple[Word, ...]
    model: str
    model_revision: str
    language: str | None = None
    margin: float | None = None
    alternatives: tuple[str, ...] | None = None
    event_time_ms: int

    @classmethod
    def failed(cls, headers: Mapping[str, str], failure: Failure, event_time_ms: int) -> "SegmentTranscribed | None":
        """The answer for a part that was refused, as far as its headers tell; None when they do not name a part."""
        numbers = [headers.get(name, "") for name in ("run", "index", "total")]
        if "call_id" not in headers or not all(number.isdecimal() for number in numbers):
            return None
        run, index, total = map(int, numbers)
        return cls(
            call_id=headers["call_id"],
            run=run,
            index=index,
            total=total,
            channel=0,
            start_ms=0,
            end_ms=0,
            overlap_ms=0,
            status="failed",
            failure=failure,
            words=(),
            model="",
            model_revision="",
            event_time_ms=event_time_ms,
        )


@message
class CallTranscribed:
    """A call's transcript (calls.transcribed)."""

    call_id: str
    run: int
    status: str
    failure: Failure | None = None
    heard: Heard | None = None
    text: str
    words: tuple[Word, ...]
    parts_total: int
    parts_failed: int
    model: str
    model_revision: str
    language: str | None = None
    margin: float | None = None
    event_time_ms: int


@message
class CallClassified:
    """What a call shows (calls.classified)."""

    call_id: str
    run: int
    status: str
    failure: Failure | None = None
    heard: Heard | None = None
    acquisition: Answer
    sav: Answer
    behaviour: int
    engine: str
    engine_version: str
    model_revision: str
    transcript: str | None = None
    shown: Shown | None = None
    model: str | None = None
    prompt: str | None = None
    shortened: bool | None = None
    event_time_ms: int

    @property
    def models(self) -> str:
        """What the result comes from, as facts name it."""
        return models_named(self.engine, self.engine_version, self.model, self.prompt, self.model_revision)


@message
class CallFacts:
    """What the judge knows of a client's call (calls.facts; also the judge's state of a call)."""

    call_id: str
    client_number: str
    run: int
    revision: int
    retracted: bool
    final: bool
    status: str
    failure: Failure | None = None
    external_id: str | None = None
    started_at_ms: int | None = None
    branch: str | None = None
    duration_ms: int | None = None
    acquisition: Answer | None = None
    sav: Answer | None = None
    behaviour: int | None = None
    ring_count: int | None = None
    ring_confidence: float | None = None
    voicemail_tone: bool | None = None
    rings: tuple[Span, ...]
    transcript: str | None = None
    ended_at_ms: int | None = None
    arrived_at_ms: int | None = None
    busy_tone: bool | None = None
    fingerprint: bytes | None = None
    models: str | None = None
    event_time_ms: int

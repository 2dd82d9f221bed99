"""What a line of facts says of a call, checked."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from sys import intern
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Base64Bytes, BaseModel, ConfigDict, Field, PlainValidator, StrictBool

from ringtrue import fingerprint, phone, times
from ringtrue.messages import Answer, CallFacts, Span
from ringtrue.outcomes import CODES, Outcome

_STATUS = {None: "complete", "ok": "complete", "partial": "partial", "failed": "failed"}


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = times.parse(value, without_time=None) if isinstance(value, str) else None
    if moment is None:
        raise ValueError("a time in ISO 8601 is expected, such as 2026-11-18T16:30:00 or 2026-11-18T16:30:00+01:00")
    return moment


def _utc_ms(moment: datetime | None, zone: ZoneInfo) -> int | None:
    return None if moment is None else times.to_utc_ms(moment, zone)


def _subscriber(written: str) -> str:
    number = phone.normalise(written)
    if number is None:
        raise ValueError("a phone number is expected: ten digits, or +212 and nine")
    return number


def _code(code: int) -> int:
    if code not in CODES["SAV"] | {Outcome.NOT_CLASSIFIED}:
        raise ValueError("0 to 7 and 9 are allowed")
    return code


def _acquisition_code(code: int) -> int:
    if code not in CODES["ACQUISITION"] | {Outcome.NOT_CLASSIFIED}:
        raise ValueError("0 to 4 and 9 are allowed")
    return code


def _readable(packed: bytes | None) -> bytes | None:
    """None for a damaged fingerprint, as the service takes it."""
    return packed if packed is not None and fingerprint.is_readable(packed) else None


_Moment = Annotated[datetime | None, PlainValidator(_moment)]
_Integer = Annotated[int, Field(strict=True)]
_Code = Annotated[_Integer, AfterValidator(_code)]


class _Outcomes(BaseModel):
    """The outcome among the codes of each type of order."""

    model_config = ConfigDict(extra="forbid")

    ACQUISITION: Annotated[_Integer, AfterValidator(_acquisition_code)] | None = None
    SAV: _Code | None = None


class FactsLine(BaseModel):
    """What a line says of a call.

    Attributes:
        call_id: The call; without one the line itself names it.
        external_id: The operator's own id: recordings of one client with the same one are one call.
        client_number: Whose call it is; without one it is one of the recordings without a client number.
        technician: Who called; no rule asks.
        started_at: Local to the operator when without offset.
        ended_at: The same; a check of the evidence asks.
        branch: Of the technician.
        status: Whether the recording could be used and transcribed whole. An outcome without a status is known.
        outcome: What it shows, for an order of either type that has this code.
        outcomes: What it shows by type, where that differs or `outcome` is no code of the type.
        behaviour: 1 good or neutral, 0 bad, 2 not classified.
        ring_count: Rings.
        ring_confidence: How sure the count is, 0 to 1; a count without one is known.
        voicemail_tone: Whether a voicemail or network tone followed.
        transcript: What was said, of a partial call with a new line wherever something is missing; for the rules that
            ask for phrases.
        arrived_at: When the store got the recording; this and what follows is asked for by checks of the evidence.
        duration_ms: Length of the recording.
        rings: From and to of each ring, in the recording.
        busy_tone: Whether a busy or congestion tone is heard.
        fingerprint: What its sound is known by again (`ringtrue.fingerprint`), in base 64.
        models: What the facts come from.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    call_id: Annotated[str, Field(min_length=1)] | None = None
    external_id: str | None = None
    client_number: Annotated[str, AfterValidator(_subscriber)] | None = None
    technician: str | None = None
    started_at: _Moment = None
    ended_at: _Moment = None
    branch: str | None = None
    status: Literal["ok", "partial", "failed"] | None = None
    outcome: _Code | None = None
    outcomes: _Outcomes | None = None
    behaviour: Annotated[_Integer, Field(ge=0, le=2)] | None = None
    ring_count: Annotated[_Integer, Field(ge=0)] | None = None
    ring_confidence: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    voicemail_tone: StrictBool | None = None
    transcript: str | None = None
    arrived_at: _Moment = None
    duration_ms: Annotated[_Integer, Field(ge=0)] | None = None
    rings: tuple[tuple[_Integer, _Integer], ...] | None = None
    busy_tone: StrictBool | None = None
    fingerprint: Annotated[Base64Bytes | None, AfterValidator(_readable)] = None
    models: str | None = None

    def facts(self, name: str, zone: ZoneInfo, *, with_transcript: bool = True) -> CallFacts:
        """The facts as the judge takes them.

        Args:
            name: What stands for a call id that is not there.
            zone: The operator's.
            with_transcript: A rule asks for what was said.
        """
        by_type = self.outcomes or _Outcomes()
        acquisition = self.outcome if by_type.ACQUISITION is None else by_type.ACQUISITION
        sav = self.outcome if by_type.SAV is None else by_type.SAV
        if acquisition not in CODES["ACQUISITION"]:
            acquisition = None  # what a SAV order calls it says too little of what an ACQUISITION order would
        # Without a status only an outcome tells that the call was transcribed at all.
        outcome_known = acquisition is not None or sav is not None
        transcribed = self.status in {"ok", "partial"} or (self.status is None and outcome_known)
        return CallFacts(
            call_id=self.call_id or name,
            client_number=self.client_number or "",
            run=1,
            revision=1,
            retracted=False,
            final=True,
            status=_STATUS[self.status],
            external_id=self.external_id or None,
            started_at_ms=_utc_ms(self.started_at, zone),
            branch=None if self.branch is None else intern(self.branch),
            acquisition=_answer(acquisition),
            sav=_answer(sav),
            behaviour=self.behaviour,
            ring_count=self.ring_count,
            ring_confidence=self.ring_confidence,
            voicemail_tone=self.voicemail_tone,
            rings=tuple(
                Span(start_ms=start_ms, end_ms=end_ms, text=f"ring {number}")
                for number, (start_ms, end_ms) in enumerate(self.rings or (), start=1)
            ),
            transcript=self.transcript if with_transcript and transcribed else None,
            duration_ms=self.duration_ms,
            ended_at_ms=_utc_ms(self.ended_at, zone),
            arrived_at_ms=_utc_ms(self.arrived_at, zone),
            busy_tone=self.busy_tone,
            fingerprint=self.fingerprint,
            models=self.models,
            event_time_ms=0,
        )


@cache
def _answer(outcome: int | None) -> Answer | None:
    return None if outcome is None else Answer(outcome=outcome, score=1.0, cited=())

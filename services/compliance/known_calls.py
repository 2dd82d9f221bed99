"""The calls that `ringtrue judge` holds until every file of facts is read: the calls of a client lie anywhere in them.

There may be millions, so each is held packed, in half the memory of the message that it is unpacked to when the
orders of its client are judged.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from ringtrue.messages import Answer, CallFacts, Failure, HourCount, Span

_HOUR_MS = 3_600_000
#: The hour of what may be of any hour: later than every window.
_ANY_HOUR_MS = 2**62

#: Fields by which a call is found, those that hold messages, and the others, which are packed as they are.
_KEYS = ("client_number", "call_id")
_MESSAGES = ("failure", "acquisition", "sav", "rings")
_PLAIN = tuple(one.name for one in fields(CallFacts) if one.name not in {*_KEYS, *_MESSAGES})
_plain = attrgetter(*_PLAIN)
_START = _PLAIN.index("started_at_ms")

#: A span: from, to, text.
_Packed = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class KnownCalls:
    """The calls of the clients that orders are of, and how many recordings of each hour are nobody's."""

    clients: Collection[str]
    _of: dict[str, dict[str, bytes]] = field(default_factory=dict)
    #: By hour: registered, unassigned, undated (see `HourCount`).
    _hours: dict[int, list[int]] = field(default_factory=dict)

    def of(self, client_number: str) -> Collection[CallFacts]:
        """The calls of a client."""
        return [_unpacked(client_number, *held) for held in self._of.get(client_number, {}).items()]

    def hours(self) -> tuple[HourCount, ...]:
        """The recordings of each hour; none when every recording has a client."""
        if not self.unassigned():
            return ()
        return tuple(
            HourCount(hour_ms=hour_ms, registered=registered, unassigned=unassigned, undated=undated)
            for hour_ms, (registered, unassigned, undated) in sorted(self._hours.items())
        )

    def unassigned(self) -> int:
        """Recordings without a client number."""
        return sum(unassigned + undated for _, unassigned, undated in self._hours.values())

    def add(self, call: CallFacts) -> bool:
        """Takes a call in; False when another line tells of the same call, of which the earlier start then stands."""
        self._count(call)
        if call.client_number not in self.clients:
            return True
        calls = self._of.setdefault(call.client_number, {})
        known = calls.get(call.call_id)
        if known is None or _by_start(call.started_at_ms) < _by_start(_loaded(known)[0][_START]):
            calls[call.call_id] = _packed(call)
        return known is None

    def _count(self, call: CallFacts) -> None:
        start_ms, unassigned = call.started_at_ms, not call.client_number
        if start_ms is not None:
            count = self._hours.setdefault(start_ms // _HOUR_MS * _HOUR_MS, [0, 0, 0])
            count[0] += 1
            count[1] += unassigned
        elif unassigned:
            self._hours.setdefault(_ANY_HOUR_MS, [0, 0, 0])[2] += 1


def _packed(call: CallFacts) -> bytes:
    """All of a call but what it is found by."""
    why = call.failure
    return marshal.dumps(
        (
            _plain(call),
            None if why is None else (why.stage, why.reason, why.message),
            None if call.acquisition is None else _packed_answer(call.acquisition),
            None if call.sav is None else _packed_answer(call.sav),
            _packed_spans(call.rings),
        )
    )


def _loaded(packed: bytes) -> Any:
    return marshal.loads(packed)  # noqa: S302 - packed by this process, and nobody else has had it


def _packed_answer(answer: Answer) -> tuple[int, float, tuple[_Packed, ...]]:
    return answer.outcome, answer.score, _packed_spans(answer.cited)


def _packed_spans(spans: tuple[Span, ...]) -> tuple[_Packed, ...]:
    return tuple((span.start_ms, span.end_ms, span.text) for span in spans)


def _unpacked(client_number: str, call_id: str, packed: bytes) -> CallFacts:
    plain, failure, acquisition, sav, rings = _loaded(packed)
    return CallFacts(
        client_number=client_number,
        call_id=call_id,
        failure=failure and Failure(stage=failure[0], reason=failure[1], message=failure[2]),
        acquisition=acquisition and _answer(*acquisition),
        sav=sav and _answer(*sav),
        rings=_spans(rings),
        **dict(zip(_PLAIN, plain, strict=True)),
    )


@lru_cache(maxsize=64)  # nearly all are of the few that cite nothing
def _answer(outcome: int, score: float, cited: tuple[_Packed, ...]) -> Answer:
    return Answer(outcome=outcome, score=score, cited=_spans(cited))


def _spans(packed: tuple[_Packed, ...]) -> tuple[Span, ...]:
    return tuple(Span(start_ms=start_ms, end_ms=end_ms, text=text) for start_ms, end_ms, text in packed)


def _by_start(start_ms: int | None) -> tuple[bool, int]:
    return start_ms is None, start_ms or 0

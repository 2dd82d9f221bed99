"""Facts of calls, one JSON object a line: `ringtrue judge` judges by them, `ringtrue calls --facts` writes them.

Any field may be null or absent, which means that it is not established. A line with anything wrong in it is reported,
and its call stands with what says whose it was and when, as far as that can be read, but with nothing that was heard:
a mistake in the file makes a rule undetermined, never failed. What is not even known to be a certain client's is one of
the recordings without a client number, which are counted by hour, as the register counts them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from ringtrue.errors import WrongUse
from ringtrue.messages import CallFacts, HourCount
from services.compliance.facts_line import FactsLine

_HOUR_MS = 3_600_000
#: The hour of what may be of any hour: later than every window.
_ANY_HOUR_MS = 2**62
#: A longer line is no line of facts: a call of four hours has some 200 kB of words.
_LONGEST_BYTES = 4_000_000
#: What a line with a mistake in it still tells.
_IDENTITY = ("call_id", "external_id", "client_number", "started_at", "branch")


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of a line: where it stands, the field, and what is wrong with it or what became of it."""

    text: str
    is_mistake: bool


@dataclass(frozen=True, slots=True)
class KnownCalls:
    """The calls of the clients that orders are of, and how many recordings of each hour are nobody's."""

    clients: Collection[str]
    _of: dict[str, dict[str, CallFacts]] = field(default_factory=dict)
    #: By hour: registered, unassigned, undated (see `HourCount`).
    _hours: dict[int, list[int]] = field(default_factory=dict)

    def of(self, client_number: str) -> Collection[CallFacts]:
        """The calls of a client."""
        return self._of.get(client_number, {}).values()

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
        if known is None or _by_start(call) < _by_start(known):
            calls[call.call_id] = call
        return known is None

    def _count(self, call: CallFacts) -> None:
        start_ms, unassigned = call.started_at_ms, not call.client_number
        if start_ms is not None:
            count = self._hours.setdefault(start_ms // _HOUR_MS * _HOUR_MS, [0, 0, 0])
            count[0] += 1
            count[1] += unassigned
        elif unassigned:
            self._hours.setdefault(_ANY_HOUR_MS, [0, 0, 0])[2] += 1


def read_facts(path: Path, calls: KnownCalls, zone: ZoneInfo, *, with_transcripts: bool = True) -> Iterator[Remark]:
    """Reads a file of facts into `calls`, and says of each line with a mistake what it is and what is allowed.

    Raises:
        WrongUse: There is no such file.
    """
    if not path.exists() or path.is_dir():
        raise WrongUse(f"there is no file {path}")
    with path.open("rb") as file:
        for number, raw in enumerate(_lines(file), start=1):
            if not raw.strip():
                continue
            try:
                line = FactsLine.model_validate_json(raw)
            except ValidationError as error:
                line = _what_is_left(raw, error)
                yield from (Remark(f"{path}, line {number}: {problem}", True) for problem in _problems(error))
            if not calls.add(line.facts(f"{path.name}:{number}", zone, with_transcript=with_transcripts)):
                once = (
                    f"call_id={line.call_id!r}: an earlier line tells of it, too; it counts once, by its earlier start"
                )
                yield Remark(f"{path}, line {number}: {once}", False)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file without a byte order mark; what is longer than a line of facts can be is cut short."""
    raw = file.readline(_LONGEST_BYTES).removeprefix(b"\xef\xbb\xbf")
    while raw:
        yield raw
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(_LONGEST_BYTES)
        raw = file.readline(_LONGEST_BYTES)


def _what_is_left(raw: bytes, error: ValidationError) -> FactsLine:
    """Of a line with a mistake, whose call it was and when, as far as that is right."""
    mistakes = error.errors()
    if any(not mistake["loc"] for mistake in mistakes):
        return FactsLine()  # no JSON, or no object
    wrong = {mistake["loc"][0] for mistake in mistakes}
    told = json.loads(raw)
    return FactsLine.model_validate({name: told.get(name) for name in _IDENTITY if name not in wrong})


def _problems(error: ValidationError) -> Iterable[str]:
    for found in error.errors():
        name = ".".join(str(part) for part in found["loc"])
        if not name:
            yield "a JSON object is expected" + (f": {found['msg']}" if found["type"] == "json_invalid" else "")
        elif found["type"] == "extra_forbidden":
            yield f"{name}: there is no such field; there are {', '.join(FactsLine.model_fields)}"
        else:
            yield f"{name}={json.dumps(found['input'], ensure_ascii=False)[:80]}: {_allowed(found['msg'])}"


def _allowed(message: str) -> str:
    return message.removeprefix("Value error, ")


def _by_start(call: CallFacts) -> tuple[bool, int]:
    return call.started_at_ms is None, call.started_at_ms or 0

"""Facts of calls, one JSON object a line: `ringtrue judge` judges by them, `ringtrue calls --facts` writes them.

Any field may be null or absent, which means that it is not established. A line with anything wrong in it is reported,
and its call stands with what says whose it was and when, as far as that can be read, but with nothing that was heard:
a mistake in the file makes a rule undetermined, never failed. What is not even known to be a certain client's is one of
the recordings without a client number, which are counted by hour, as the register counts them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from ringtrue.errors import WrongUse
from services.compliance.facts_line import FactsLine
from services.compliance.known_calls import KnownCalls

#: A longer line is no line of facts: a call of four hours has some 200 kB of words.
_LONGEST_BYTES = 4_000_000
#: What a line with a mistake in it still tells.
_IDENTITY = ("call_id", "external_id", "client_number", "started_at", "branch")


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of a line: where it stands, the field, and what is wrong with it or what became of it."""

    text: str
    is_mistake: bool


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

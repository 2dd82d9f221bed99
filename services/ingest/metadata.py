"""What is known of a call beside its sound: whose it is, when it was, which branch.

Three sources say it, in this order of trust: the JSON sidecar beside the recording, the object's user metadata, and
the file name. Each is first read into the sidecar's own field names (`read_sidecar`, `from_user_metadata`, `from_key`),
which is what the register keeps; `merge` then takes every field from the first source that has a usable value. A field
that cannot be used is a warning and leaves the others alone; only a sidecar that is no JSON object at all is broken.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from ringtrue import phone, times
from ringtrue.errors import Misconfigured

#: Field names of a sidecar, which object metadata shares (`x-amz-meta-numero_client`).
EXTERNAL_ID, CLIENT, AGENT = "CALL_ID", "NUMERO_CLIENT", "NUMERO_TECHNICIEN"
START, END, BRANCH = "DATE_DEBUT", "DATE_FIN", "BRANCHE"
#: Which channel of a stereo recording is the technician's: 1 (left) or 2. Recorders that do not know leave it out.
AGENT_CHANNEL = "CANAL_TECHNICIEN"
FIELDS = (EXTERNAL_ID, CLIENT, AGENT, START, END, BRANCH, AGENT_CHANNEL)

BRANCHES = frozenset({"ADSL_SAV", "FTTH_VULA_SAV", "ADSL_INSTALL", "FTTH_VULA_INSTALL"})

#: `0612345678_20261118-093000.wav`: the client's number in any international or local form, then the local start.
DEFAULT_FILE_NAME = r"(?<!\d)(?P<client>\d{9,14})_(?P<start>\d{8}-\d{6})(?!\d)"
#: What a file name pattern may name, and which field that is.
_GROUPS = {"client": CLIENT, "agent": AGENT, "start": START, "end": END, "branch": BRANCH, "id": EXTERNAL_ID}
_USER_METADATA_PREFIX = "x-amz-meta-"
_COMPACT_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)[-_T]?(\d\d)(\d\d)(\d\d)", re.ASCII)

_T = TypeVar("_T")


class BrokenSidecar(ValueError):
    """A sidecar that is no JSON object: what is wrong with it."""


@dataclass(frozen=True, slots=True)
class CallMetadata:
    """What a call's metadata came to; None where no source knows. Without `client_number` a call is unassigned.

    `agent_channel` counts from 0.
    """

    client_number: str | None = None
    agent_number: str | None = None
    external_id: str | None = None
    branch: str | None = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    agent_channel: int | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """The metadata of a call, and what was unusable in the sources that were asked for it."""

    metadata: CallMetadata
    warnings: tuple[str, ...]


def read_sidecar(data: bytes) -> dict[str, str]:
    """The fields of a sidecar that have a value, as texts.

    Raises:
        BrokenSidecar: the bytes are not a JSON object.
    """
    if not data.strip():
        raise BrokenSidecar("the sidecar is empty; expected a JSON object")
    try:
        document = json.loads(data.removeprefix(b"\xef\xbb\xbf").decode())
    except UnicodeDecodeError as error:
        raise BrokenSidecar(f"the sidecar is not UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise BrokenSidecar(f"the sidecar is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BrokenSidecar(f"the sidecar is not a JSON object; expected one with {', '.join(FIELDS)}")
    return _known({str(name): _as_text(value) for name, value in document.items()})


def from_user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """The fields among an object's user metadata, with or without the `x-amz-meta-` before them."""
    prefix = _USER_METADATA_PREFIX
    return _known({name.lower().removeprefix(prefix).replace("-", "_"): text for name, text in headers.items()})


def from_key(key: str, pattern: re.Pattern[str]) -> dict[str, str]:
    """The fields that a recording's file name holds, by the named groups of `pattern` (see `file_name_pattern`)."""
    found = pattern.search(key.rpartition("/")[2])
    if not found:
        return {}
    fields = {_GROUPS[group]: text.strip() for group, text in found.groupdict().items() if text}
    return {field: _spelled_out(text) if field in (START, END) else text for field, text in fields.items()}


def file_name_pattern(expression: str = DEFAULT_FILE_NAME) -> re.Pattern[str]:
    """A file name pattern, checked.

    Raises:
        Misconfigured: it is no regular expression, or names a group that means nothing.
    """
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise Misconfigured(f"the file name pattern {expression!r} is not a regular expression: {error}") from error
    if unknown := sorted(set(pattern.groupindex) - set(_GROUPS)):
        raise Misconfigured(
            f"the file name pattern {expression!r} names {', '.join(unknown)}; allowed: {', '.join(_GROUPS)}"
        )
    return pattern


def merge(sources: Mapping[str, Mapping[str, str]], zone: ZoneInfo, branches: frozenset[str] = BRANCHES) -> Merged:
    """One metadata of several sources.

    Args:
        sources: the fields of each source by the name that warnings call it, the most trusted first.
        zone: where local times are.
        branches: the branches that exist. Another one is a warning and unknown, so that no verdict rests on it.
    """
    warnings: list[str] = []

    def first(field: str, read: Callable[[str], _T | None], expected: str) -> _T | None:
        for source, fields in sources.items():
            if text := fields.get(field):
                value = read(text)
                if value is not None:
                    return value
                warnings.append(f"{source}: {field} {text!r} is not {expected}; it is left out")
        return None

    def moment(text: str) -> int | None:
        # A day alone would put the call at midnight, outside the windows in which it counts.
        read = times.parse(text, without_time=None)
        return None if read is None else times.to_utc_ms(read, zone)

    def branch(text: str) -> str | None:
        return text.upper() if text.upper() in branches else None

    a_time = "a date and time (YYYY-MM-DD HH:MM:SS)"
    metadata = CallMetadata(
        client_number=first(CLIENT, phone.normalise, "a phone number"),
        # A technician may be known by an extension or a name, so any text will do.
        agent_number=first(AGENT, lambda text: phone.normalise(text) or text, "a text"),
        external_id=first(EXTERNAL_ID, str, "a text"),
        branch=first(BRANCH, branch, f"one of {', '.join(sorted(branches))}"),
        started_at_ms=first(START, moment, a_time),
        ended_at_ms=first(END, moment, a_time),
        agent_channel=first(AGENT_CHANNEL, {"1": 0, "2": 1}.get, "1 or 2"),
    )
    return Merged(metadata, tuple(warnings))


def _known(fields: Mapping[str, str]) -> dict[str, str]:
    stripped = {name.strip().upper(): text.strip() for name, text in fields.items()}
    return {name: stripped[name] for name in FIELDS if stripped.get(name)}


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _spelled_out(text: str) -> str:
    """A compact time (`20261118-093000`) as sidecars write it; anything else as it is."""
    found = _COMPACT_TIME.fullmatch(text)
    return "{}-{}-{} {}:{}:{}".format(*found.groups()) if found else text

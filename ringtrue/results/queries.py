"""What people and other commands ask of the database: the books, the story of an order, dead letters.

Every function takes a connection within `ringtrue.database.reading`, so that several of them see the same state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ringtrue.database.tables import calls, classifications, dead_letters, manifests
from ringtrue.errors import WrongUse
from ringtrue.messages import Attempt, Word
from ringtrue.results.calls import JOINED, STATE, Call, calls_by_id, words_of
from ringtrue.results.cases import Case, PastVerdict, count_cases, find_cases, history

#: Workers that decide whether an object in the bucket becomes a call.
_REGISTERING = ("ingest-intake", "ingest-register")
_DUPLICATE = "duplicate_recording"
#: What these workers refuse that is no recording.
_NO_RECORDING = ("broken_sidecar", "unknown_call", "malformed_notification", "unexpected", "undecodable")
#: Of a transcript that is shown beside a verdict.
_EXCERPT_CHARACTERS = 240
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Books:
    """Where everything stands.

    `seen = registered + duplicates + refused` and `registered = finished + failed + in_flight + not_wanted`.

    Attributes:
        partial: Those of `finished` of which a part could not be transcribed.
        unassigned: Registered recordings without a client number.
        unknown: Calls that an order wants and whose recording nobody has seen; not part of `registered`.
        verdicts: Cases by verdict.
        manifests: Manifests by status.
        dead_letters: Dead letters by error.
    """

    seen: int
    registered: int
    duplicates: int
    refused: int
    finished: int
    partial: int
    failed: int
    in_flight: int
    not_wanted: int
    unassigned: int
    unknown: int
    verdicts: dict[str, int]
    manifests: dict[str, int]
    dead_letters: dict[str, int]


@dataclass(frozen=True, slots=True)
class AttemptStory:
    """An attempt of an order with what is known of the call.

    Attributes:
        attempt: The call as it stood when it was judged.
        call: The call as it stands now; None when it is not registered any more.
        excerpt: The beginning of what was said.
        start_ms: Where in the recording the excerpt begins, milliseconds; None without words.
        end_ms: Where it ends.
    """

    attempt: Attempt
    call: Call | None
    excerpt: str
    start_ms: int | None
    end_ms: int | None


@dataclass(frozen=True, slots=True)
class Story:
    """An order's case, its attempts, and every verdict it has had, the newest first."""

    case: Case
    attempts: tuple[AttemptStory, ...]
    history: tuple[PastVerdict, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `id` names it on the command line: where it stands in its topic."""

    id: str
    worker: str
    error: str
    message: str
    subject: str
    call_id: str | None
    run: int | None
    attempt: int
    refused_at_ms: int
    service_version: str
    source: str
    headers: dict[str, str]
    key: bytes | None
    value: bytes | None
    part: bytes | None


def books(connection: sa.Connection) -> Books:
    """Counts everything."""
    states = dict.fromkeys(("finished", "failed", "in_flight", "not_wanted", "unknown"), 0)
    states |= _counts(connection, sa.select(STATE, sa.func.count()).select_from(JOINED).group_by(STATE))
    unknown = states.pop("unknown")
    registered = sum(states.values())
    duplicates, refused = _duplicates(connection), _refused(connection)
    partial = sa.select(sa.func.count()).select_from(JOINED)
    partial = partial.where(STATE == "finished", classifications.c.status == "partial")
    unassigned = sa.select(sa.func.count()).where(calls.c.client_number.is_(None), calls.c.status != "failed")
    by_status = sa.select(manifests.c.status, sa.func.count()).group_by(manifests.c.status)
    by_error = sa.select(dead_letters.c.error, sa.func.count()).group_by(dead_letters.c.error)
    return Books(
        seen=registered + duplicates + refused,
        registered=registered,
        duplicates=duplicates,
        refused=refused,
        partial=_number(connection, partial),
        unassigned=_number(connection, unassigned),
        unknown=unknown,
        verdicts=count_cases(connection),
        manifests=_counts(connection, by_status),
        dead_letters=_counts(connection, by_error),
        **states,
    )


def stories(connection: sa.Connection, number: str) -> list[Story]:
    """The story of each case of an order number (or of one case id), the latest suspension first."""
    return [_story(connection, case) for case in find_cases(connection, numbers=[number])]


def recordings_between(connection: sa.Connection, start_ms: int, end_ms: int) -> int:
    """Recordings of the hours that a stretch of time touches, UTC milliseconds, and those that may be of any hour."""
    first_ms, last_ms = start_ms // _HOUR_MS * _HOUR_MS, (end_ms // _HOUR_MS + 1) * _HOUR_MS
    here = sa.and_(calls.c.started_at_ms >= first_ms, calls.c.started_at_ms < last_ms)
    anywhere = sa.and_(calls.c.started_at_ms.is_(None), calls.c.client_number.is_(None))
    query = sa.select(sa.func.count()).select_from(calls)
    return _number(connection, query.where(calls.c.status != "failed", sa.or_(here, anywhere)))


def find_letters(
    connection: sa.Connection, *, worker: str = "", error: str = "", search: str = "", limit: int | None = None
) -> list[Letter]:
    """Dead letters, the latest first.

    Args:
        connection: To the database.
        worker: Only those of this worker, or of this service's workers.
        error: Only those with this error code.
        search: Only those whose subject, call id or message contains this.
        limit: At most so many.
    """
    query = sa.select(dead_letters)
    if worker:
        query = query.where(sa.or_(dead_letters.c.worker == worker, dead_letters.c.service == worker))
    if error:
        query = query.where(dead_letters.c.error == error)
    if search:
        texts = (dead_letters.c.subject, dead_letters.c.call_id, dead_letters.c.message)
        query = query.where(sa.or_(*(text.contains(search, autoescape=True) for text in texts)))
    newest_first = (dead_letters.c.refused_at_ms.desc(), dead_letters.c.topic, dead_letters.c.partition)
    query = query.order_by(*newest_first, dead_letters.c.offset.desc()).limit(limit)
    return [_letter(row) for row in connection.execute(query)]


def letter(connection: sa.Connection, name: str) -> Letter | None:
    """The dead letter with this id, if there is one.

    Raises:
        WrongUse: It is not of the form TOPIC/PARTITION/OFFSET.
    """
    topic, _, rest = name.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise WrongUse(f"{name!r} is not the id of a dead letter; TOPIC/PARTITION/OFFSET is, see dead-letters list")
    query = sa.select(dead_letters).where(
        dead_letters.c.topic == topic,
        dead_letters.c.partition == int(partition),
        dead_letters.c.offset == int(offset),
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _letter(row)


def excerpt_of(words: Sequence[Word]) -> tuple[str, int | None, int | None]:
    """The beginning of what was said, whole words, with its start and end in the recording in milliseconds."""
    shown = list[Word]()
    length = -1
    for word in words:
        length += 1 + len(word.text)
        if shown and length > _EXCERPT_CHARACTERS:
            break
        shown.append(word)
    if not shown:
        return "", None, None
    text = " ".join(word.text for word in shown) + (" …" if len(shown) < len(words) else "")
    return text, min(word.start_ms for word in shown), max(word.end_ms for word in shown)


def _story(connection: sa.Connection, case: Case) -> Story:
    known = calls_by_id(connection, [attempt.call_id for attempt in case.attempts])
    attempts = tuple(
        AttemptStory(attempt, known.get(attempt.call_id), *excerpt_of(words_of(connection, attempt.call_id)))
        for attempt in case.attempts
    )
    return Story(case, attempts, tuple(history(connection, case.order.case_id)))


def _duplicates(connection: sa.Connection) -> int:
    """Recordings refused because another one of the same stem is the call: the message names each."""
    query = sa.select(sa.func.count(dead_letters.c.message.distinct()))
    return _number(connection, query.where(dead_letters.c.error == _DUPLICATE))


def _refused(connection: sa.Connection) -> int:
    """Objects that became no call. One that did in the end, after a retry, is registered and nothing else."""
    registered = sa.exists().where(calls.c.call_id == dead_letters.c.call_id, calls.c.status != "failed")
    query = sa.select(sa.func.count(dead_letters.c.subject.distinct())).where(
        dead_letters.c.worker.in_(_REGISTERING),
        dead_letters.c.error.not_in((_DUPLICATE, *_NO_RECORDING)),
        ~registered,
    )
    return _number(connection, query)


def _letter(row: sa.Row[Any]) -> Letter:
    return Letter(
        id=f"{row.topic}/{row.partition}/{row.offset}",
        worker=row.worker,
        error=row.error,
        message=row.message,
        subject=row.subject,
        call_id=row.call_id,
        run=row.run,
        attempt=row.attempt,
        refused_at_ms=row.refused_at_ms,
        service_version=row.service_version,
        source=f"{row.source_topic}/{row.source_partition}/{row.source_offset}",
        headers=dict(row.headers),
        key=row.key,
        value=row.value,
        part=row.part,
    )


def _counts(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def _number(connection: sa.Connection, query: sa.Select[Any]) -> int:
    return int(connection.scalar(query) or 0)

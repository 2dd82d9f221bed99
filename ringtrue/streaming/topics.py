"""The one table of topics: what flows where, who reads it, how long it is kept.

All topics of a deployment have the same number of partitions, so that every pair of topics is co-partitioned
by its key. `schemas/README.md` says which message travels on which topic.
"""

from dataclasses import dataclass
from typing import Literal

_DAY_MS = 24 * 3600 * 1000
#: A cache of a compacted topic that is older may have missed deletions. Half of how long a deletion is kept.
CACHE_AGE_MS = 7 * _DAY_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and how long its records are kept.

    Attributes:
        name: Its name, without the deployment's prefix.
        cleanup: `delete` by age, or `compact` to the last record of each key.
        retention_ms: Age after which records go (`delete`), or after which superseded ones go (`compact`).
        once_read: Records may also go as soon as every group has read them. For audio, which the bucket still holds.
    """

    name: str
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int = 14 * _DAY_MS
    once_read: bool = False


RECORDINGS_NOTIFICATIONS = Topic("recordings.notifications")
RECORDINGS_SEEN = Topic("recordings.seen")
MANIFESTS_SEEN = Topic("manifests.seen")
MANIFESTS_READ = Topic("manifests.read")
CALLS_WANTED = Topic("calls.wanted")
CALLS_COMMANDS = Topic("calls.commands")
CALLS_REGISTERED = Topic("calls.registered")
CALLS_REQUESTED = Topic("calls.requested", retention_ms=60 * _DAY_MS)
CALLS_HEARD = Topic("calls.heard")
SEGMENTS_AUDIO = Topic("segments.audio", retention_ms=7 * _DAY_MS, once_read=True)
SEGMENTS_TRANSCRIBED = Topic("segments.transcribed")
CALLS_TRANSCRIBED = Topic("calls.transcribed")
CALLS_CLASSIFIED = Topic("calls.classified")
CALLS_FACTS = Topic("calls.facts")
ORDERS_ROWS = Topic("orders.rows")
ORDERS_COMMANDS = Topic("orders.commands")
ORDERS_CURRENT = Topic("orders.current")
ORDERS_VERDICTS = Topic("orders.verdicts", cleanup="compact", retention_ms=30 * _DAY_MS)

#: Groups that keep state, each in a topic of its own. The embedded log keeps it in a table instead.
STATEFUL = (
    "ingest-register",
    "ingest-manifests",
    "assembler",
    "classifier",
    "compliance-orders",
    "compliance-facts",
    "compliance-judge",
)

SERVICES = ("ingest", "asr", "assembler", "classifier", "compliance", "archive")


def dead_letters(service: str) -> Topic:
    """The dead letters of a service."""
    return Topic(f"{service}.dead-letters", retention_ms=60 * _DAY_MS)


def state_of(group: str) -> Topic:
    """The state of a group: the last value of each key."""
    return Topic(f"{group}.state", cleanup="compact", retention_ms=0)


TOPICS: tuple[Topic, ...] = (
    RECORDINGS_NOTIFICATIONS,
    RECORDINGS_SEEN,
    MANIFESTS_SEEN,
    MANIFESTS_READ,
    CALLS_WANTED,
    CALLS_COMMANDS,
    CALLS_REGISTERED,
    CALLS_REQUESTED,
    CALLS_HEARD,
    SEGMENTS_AUDIO,
    SEGMENTS_TRANSCRIBED,
    CALLS_TRANSCRIBED,
    CALLS_CLASSIFIED,
    CALLS_FACTS,
    ORDERS_ROWS,
    ORDERS_COMMANDS,
    ORDERS_CURRENT,
    ORDERS_VERDICTS,
    *(dead_letters(service) for service in SERVICES),
    *(state_of(group) for group in STATEFUL),
)

#: What each worker (consumer group) reads.
READ_BY: dict[str, tuple[Topic, ...]] = {
    "ingest-intake": (RECORDINGS_NOTIFICATIONS,),
    "ingest-register": (RECORDINGS_SEEN, CALLS_WANTED, CALLS_COMMANDS),
    "ingest-segment": (CALLS_REQUESTED,),
    "ingest-manifests": (MANIFESTS_SEEN,),
    "asr": (SEGMENTS_AUDIO,),
    "assembler": (CALLS_HEARD, SEGMENTS_TRANSCRIBED),
    "classifier": (CALLS_TRANSCRIBED,),
    "compliance-orders": (ORDERS_ROWS, ORDERS_COMMANDS),
    "compliance-facts": (CALLS_REGISTERED, CALLS_CLASSIFIED),
    "compliance-judge": (ORDERS_CURRENT, CALLS_FACTS),
    "archive": (
        CALLS_REGISTERED,
        CALLS_TRANSCRIBED,
        CALLS_CLASSIFIED,
        MANIFESTS_READ,
        ORDERS_ROWS,
        ORDERS_CURRENT,
        ORDERS_VERDICTS,
        *(dead_letters(service) for service in SERVICES),
    ),
}

#: What each worker writes, besides its state and its service's dead letters. A listing of the source writes as intake.
WRITTEN_BY: dict[str, tuple[Topic, ...]] = {
    "ingest-intake": (RECORDINGS_SEEN, MANIFESTS_SEEN),
    "ingest-register": (CALLS_REGISTERED, CALLS_REQUESTED),
    "ingest-segment": (CALLS_HEARD, SEGMENTS_AUDIO),
    "ingest-manifests": (MANIFESTS_READ, ORDERS_ROWS),
    "asr": (SEGMENTS_TRANSCRIBED,),
    "assembler": (CALLS_TRANSCRIBED, CALLS_COMMANDS),
    "classifier": (CALLS_CLASSIFIED, CALLS_TRANSCRIBED),
    "compliance-orders": (ORDERS_CURRENT,),
    "compliance-facts": (CALLS_FACTS,),
    "compliance-judge": (ORDERS_VERDICTS, CALLS_WANTED),
    "archive": (),
}


def service_of(worker: str) -> str:
    """The service that a worker belongs to."""
    return worker.partition("-")[0]

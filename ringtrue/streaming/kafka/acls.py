"""The least that each service must be allowed on a cluster: derived from who reads and writes what.

Source of the operations: Apache Kafka, "Authorization and ACLs": a transactional producer needs Write on its
transactional id, a group member Read on its group, a reader Read and a writer Write on the topic; Describe is implied.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ringtrue.streaming.topics import (
    READ_BY,
    SEGMENTS_AUDIO,
    STATEFUL,
    WRITTEN_BY,
    dead_letters,
    service_of,
    state_of,
)

#: They look how much audio asr has before it: ingest to pause, asr to tell it.
_LOOK_AT_AUDIO = ("ingest", "asr")


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right of a service's user.

    Attributes:
        resource: What kind of thing it is about.
        name: Its name, or how its name begins.
        prefixed: Whether `name` is only the beginning.
        operation: What is allowed.
    """

    resource: Literal["topic", "group", "transactional-id"]
    name: str
    prefixed: bool
    operation: Literal["Read", "Write", "Describe", "Create", "DescribeConfigs"]


def acls(service: str, prefix: str) -> list[Acl]:
    """The rights that a service needs.

    Args:
        service: Its name.
        prefix: `RINGTRUE_KAFKA__TOPIC_PREFIX`.
    """
    return sorted(set(_needed(service, prefix)))


def _needed(service: str, prefix: str) -> Iterator[Acl]:
    yield Acl("group", f"{prefix}{service}", True, "Read")
    yield Acl("transactional-id", f"{prefix}{service}", True, "Write")
    topics = set[tuple[str, Literal["Read", "Write"]]]()
    for worker in (worker for worker in READ_BY if service_of(worker) == service):
        topics |= {(topic.name, "Read") for topic in READ_BY[worker]}
        topics |= {(topic.name, "Write") for topic in WRITTEN_BY[worker]}
        if worker in STATEFUL:
            topics |= {(state_of(worker).name, "Read"), (state_of(worker).name, "Write")}
    topics.add((dead_letters(service).name, "Write"))
    if service == "ingest":
        # It lists the source.
        yield Acl("transactional-id", f"{prefix}append-", True, "Write")
    if service in _LOOK_AT_AUDIO:
        yield Acl("group", f"{prefix}asr", False, "Describe")
        yield Acl("group", f"{prefix}onlooker", False, "Read")
        topics.add((SEGMENTS_AUDIO.name, "Read"))
    for name, operation in topics:
        yield Acl("topic", f"{prefix}{name}", False, operation)

"""The dead letter: a record that was refused, as it came, with what is wrong and what to do.

The fields are documented in `schemas/`, one file per class.
"""

from ringtrue.messages.base import message


@message
class DeadLetter:
    """A record that was refused, as it came, and why (SERVICE.dead-letters)."""

    service: str
    worker: str
    service_version: str
    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    part: bytes | None = None
    headers: dict[str, str]
    timestamp_ms: int
    error: str
    message: str
    subject: str
    call_id: str | None = None
    run: int | None = None
    attempt: int
    event_time_ms: int

"""What the assembler remembers of a run. The fields are documented in `schemas/`."""

from ringtrue.messages import CallHeard, message


@message
class OpenCall:
    """A run being assembled, or the last one closed (assembler.state)."""

    call_id: str
    run: int
    heard: CallHeard | None = None
    total: int | None = None
    received: tuple[int, ...]
    closed: bool
    retried: bool
    opened_at_ms: int

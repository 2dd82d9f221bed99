"""Messages on the way of an order, from the manifest's row to the verdict.

The fields are documented in `schemas/`, one file per class.
"""

from ringtrue.messages.audio import Failure
from ringtrue.messages.base import message


@message
class Order:
    """One row of a manifest: what was declared."""

    number: str
    case_id: str
    kind: str
    category: str
    client_number: str
    motif: str
    motif_outcome: int
    ordered_at_ms: int
    suspended_at_ms: int
    window_start_ms: int
    work_order: str | None = None
    line_number: str | None = None
    line_id: str | None = None
    city: str | None = None
    name: str | None = None


@message
class OrderRow:
    """A manifest's row that counts, or its withdrawal (orders.rows)."""

    order_number: str
    case_id: str
    manifest: str
    row: int
    revision: int
    status: str
    order: Order | None = None
    layouts_hash: str | None = None
    event_time_ms: int


@message
class ManifestRead:
    """What a manifest held (manifests.read)."""

    manifest: str
    revision: int
    etag: str
    status: str
    failure: Failure | None = None
    kind: str
    category: str
    day: str
    rows: int
    orders: int
    skipped: int
    rejected: int
    event_time_ms: int


@message
class OrderCommand:
    """A person asks to evaluate or reopen an order (orders.commands)."""

    order_number: str
    command: str
    reason: str
    event_time_ms: int


@message
class OrderCurrent:
    """An order's case as it stands for a client (orders.current)."""

    client_number: str
    case_id: str
    revision: int
    evaluation: int
    status: str
    order: Order
    manifest: str
    row: int
    layouts_hash: str | None = None
    event_time_ms: int


@message
class Attempt:
    """A call matched to an order, as it stood when it was judged."""

    call_id: str
    started_at_ms: int
    status: str
    outcome: int | None = None
    behaviour: int | None = None
    ring_count: int | None = None
    ring_confidence: float | None = None
    voicemail_tone: bool | None = None
    branch: str | None = None


@message
class Evidence:
    """What a finding rests on."""

    call_id: str
    start_ms: int | None = None
    end_ms: int | None = None
    fact: str


@message
class Finding:
    """The result of one rule for one order."""

    rule: str
    version: int
    result: str
    reason: str | None = None
    comment: str
    parameters: dict[str, str]
    evidence: tuple[Evidence, ...]


@message
class OrderVerdict:
    """An order's verdict with its findings (orders.verdicts)."""

    case_id: str
    order_number: str
    client_number: str
    revision: int
    evaluation: int
    verdict: str
    findings: tuple[Finding, ...]
    waiting_for: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    comment: str
    unassigned: int
    rules_hash: str
    order: Order
    manifest: str
    row: int
    warnings: tuple[Finding, ...] | None = None
    layouts_hash: str | None = None
    models_hash: str | None = None
    inputs_hash: str | None = None
    event_time_ms: int

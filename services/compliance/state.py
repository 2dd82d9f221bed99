"""What compliance's keyed workers remember between records. The fields are documented in `schemas/`."""

from ringtrue.messages import CallClassified, CallRegistered, OrderCurrent, OrderVerdict, message


@message
class HeldOrder:
    """An order's case as compliance-orders holds it (compliance-orders.state)."""

    current: OrderCurrent
    holders: dict[str, str]


@message
class JoinedCall:
    """What is known of a call from both sides (compliance-facts.state)."""

    registered: CallRegistered | None = None
    classified: CallClassified | None = None
    client_number: str | None = None


@message
class JudgedOrder:
    """An order's case and its latest verdict (compliance-judge.state)."""

    current: OrderCurrent
    verdict: OrderVerdict | None = None


@message
class PendingOrder:
    """An index entry: an order that waits for coverage (compliance-judge.state)."""

    client_number: str
    case_id: str

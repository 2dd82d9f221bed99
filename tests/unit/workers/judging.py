"""Orders, calls and marks as a judge gets them, and what it publishes of them."""

from collections.abc import Sequence
from dataclasses import replace

from ringtrue.messages import CallFacts, CoverageMark, HourCount, Order, OrderCurrent, OrderVerdict
from ringtrue.streaming.topics import CALLS_FACTS, ORDERS_CURRENT, ORDERS_VERDICTS
from services.compliance.judge import Judge
from services.compliance.ruleset import Ruleset
from tests.unit.compliance.cases import RULES, a_call, an_order, at
from tests.unit.workers.bench import Bench

HOUR_MS = 3_600_000
ORDER = an_order(suspended="16:00")
CASE, CLIENT, OTHER = ORDER.case_id, ORDER.client_number, "212600000002"
#: Three silent calls with rings enough, two hours apart: compliant.
CALLS = (a_call("09:00"), a_call("11:00"), a_call("13:00"))

Message = OrderCurrent | CallFacts | CoverageMark


def a_judge(*, rules: Ruleset = RULES, ask_for_calls: bool = False, partitions: int = 1) -> Judge:
    return Judge(rules, "fr", settle_ms=HOUR_MS, ask_for_calls=ask_for_calls, partitions=partitions)


def current(
    order: Order = ORDER, *, revision: int = 1, evaluation: int = 0, status: str = "current", client: str = ""
) -> OrderCurrent:
    return OrderCurrent(
        client_number=client or order.client_number,
        case_id=order.case_id,
        revision=revision,
        evaluation=evaluation,
        status=status,
        order=order,
        manifest="recordings/crc.csv",
        row=2,
        event_time_ms=0,
    )


def covered(until: str = "17:00", *hours: HourCount, source: int = 0, since: str | None = None) -> CoverageMark:
    return CoverageMark(
        source_partition=source,
        scope="recordings/",
        since_ms=at(since) if since else 0,
        until_ms=at(until),
        hours=hours,
        event_time_ms=0,
    )


def hour(clock: str, registered: int, unassigned: int) -> HourCount:
    return HourCount(hour_ms=at(clock), registered=registered, unassigned=unassigned, undated=0)


def opened(call: CallFacts) -> CallFacts:
    """The call while it is only registered."""
    return replace(call, final=False, status="registered", acquisition=None, sav=None, behaviour=None)


def after(bench: Bench, *messages: Message) -> list[OrderVerdict]:
    """The verdicts that are newly published once these have been read, in this order."""
    bench.feed_in_order(*((ORDERS_CURRENT if isinstance(one, OrderCurrent) else CALLS_FACTS, one) for one in messages))
    bench.run()
    return bench.news(ORDERS_VERDICTS, OrderVerdict)


def verdicts(found: Sequence[OrderVerdict]) -> list[str]:
    return [one.verdict for one in found]

"""The judge: an order's case meets the calls of its client, in whatever order they come, and a verdict is published.

State, by client: the client's calls, the client's orders with their latest verdict, and an index of the orders that
wait for coverage, by when it will reach them, or for more knowledge of their window. Every change judges the orders it
can concern again; a verdict that comes out the same is not published again. The rules themselves are in `rules.py`;
nothing here knows them.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from ringtrue.errors import BadRecord
from ringtrue.messages import CallFacts, CallWanted, CoverageMark, Order, OrderCurrent, OrderVerdict
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_WANTED, ORDERS_VERDICTS, READ_BY, state_of
from ringtrue.streaming.worker import Worker
from services.compliance import coverage
from services.compliance.attempts import may_be_attempt
from services.compliance.in_force import rules_hash
from services.compliance.pending import waiting_for
from services.compliance.ruleset import Ruleset
from services.compliance.state import JudgedOrder, PendingOrder
from services.compliance.verdict import Evaluation, Knowledge, evaluate, pending

#: State: what all source partitions of the marks together vouch for, with the counts by hour.
_COVERED = "covered"


class Judge(Worker):
    """`orders.current` and `calls.facts` to `orders.verdicts` and `calls.wanted`.

    Args:
        rules: The rules in force.
        language: Of comments.
        settle_ms: How long after an order's suspension coverage must reach.
        ask_for_calls: Whether calls are transcribed only when an order wants them (`selection=matched`).
        partitions: Of every topic; coverage marks come from each.
    """

    name = "compliance-judge"
    inputs = READ_BY["compliance-judge"]
    state = state_of("compliance-judge").name
    limit = 200

    def __init__(
        self, rules: Ruleset, language: Literal["fr", "en"], *, settle_ms: int, ask_for_calls: bool, partitions: int
    ) -> None:
        self._rules = rules
        self._rules_hash = rules_hash(rules)
        self._language = language
        self._settle_ms = settle_ms
        self._ask_for_calls = ask_for_calls
        self._partitions = partitions

    def handle(self, step: Step) -> None:
        """See `Worker.handle`."""
        match step.message:
            case OrderCurrent() as current:
                self._order(step, current)
            case CallFacts() as facts:
                self._call(step, facts)
            case CoverageMark() as mark:
                self._covered(step, mark)
            case other:
                raise BadRecord("unexpected", f"the judge does not expect a {type(other).__name__}")

    def _order(self, step: Step, current: OrderCurrent) -> None:
        key = _order_key(current.client_number, current.case_id)
        known = step.get(key, JudgedOrder)
        if known is not None and _place(known.current) >= _place(current):
            return
        if current.status == "current":
            self._judge(step, JudgedOrder(current=current, verdict=known.verdict if known else None))
            return
        if current.status == "withdrawn":
            nothing = Evaluation("withdrawn", (), (), "")
            self._publish(step, JudgedOrder(current=current), nothing, ())
        step.delete(key)
        step.delete(self._waiting_key(current))

    def _call(self, step: Step, facts: CallFacts) -> None:
        key = f"call:{facts.client_number}:{facts.call_id}"
        before = step.get(key, CallFacts)
        if facts.retracted:
            step.delete(key)
        else:
            step.put(key, facts)
        concerned = [facts] if before is None else [before, facts]
        for _, judged in step.scan(_order_key(facts.client_number), JudgedOrder):
            order = judged.current.order
            # Of recordings with the same external id one stands for all, also one outside of the window.
            if any(call.external_id or may_be_attempt(order, replace(call, retracted=False)) for call in concerned):
                self._judge(step, judged)

    def _covered(self, step: Step, mark: CoverageMark) -> None:
        covered = coverage.advance(step, replace(mark, hours=()), self._partitions)
        if covered is None:
            return
        before = step.get(_COVERED, CoverageMark)
        covered = replace(covered, hours=mark.hours)
        step.put(_COVERED, covered)
        for key, waiting in step.scan("waiting:", PendingOrder):
            until_ms = int(key.split(":")[1])
            if until_ms > covered.until_ms:
                break
            judged = step.get(_order_key(waiting.client_number, waiting.case_id), JudgedOrder)
            if judged is not None and before is not None and until_ms <= before.until_ms:
                order = judged.current.order
                if _knowledge(order, before) == _knowledge(order, covered):
                    continue  # as little is known of its window as before
            step.delete(key)
            if judged is not None:
                self._judge(step, judged)

    def _judge(self, step: Step, judged: JudgedOrder) -> None:
        current = judged.current
        order = current.order
        calls = [facts for _, facts in step.scan(f"call:{current.client_number}:", CallFacts)]
        covered = step.get(_COVERED, CoverageMark)
        waits = waiting_for(
            order, calls, covered.until_ms if covered else None, self._settle_ms, self._rules, self._language
        )
        waiting_key = self._waiting_key(current)
        if waits or covered is None:
            if covered is None or covered.until_ms < order.suspended_at_ms + self._settle_ms:
                step.put(waiting_key, PendingOrder(client_number=current.client_number, case_id=current.case_id))
            self._want(step, current, calls)
            self._publish(step, judged, pending(order, calls, waits, self._rules, self._language), waits)
            return
        knowledge = _knowledge(order, covered)
        # A judgement in which calls may be missing is looked at again with the next marks.
        if knowledge.lack(self._rules):
            step.put(waiting_key, PendingOrder(client_number=current.client_number, case_id=current.case_id))
        else:
            step.delete(waiting_key)
        evaluation = evaluate(order, calls, knowledge, self._rules, self._language)
        self._publish(step, judged, evaluation, (), unassigned=knowledge.unassigned)

    def _want(self, step: Step, current: OrderCurrent, calls: Iterable[CallFacts]) -> None:
        if not self._ask_for_calls:
            return
        for call in calls:
            if not call.final and may_be_attempt(current.order, call):
                wanted = CallWanted(call_id=call.call_id, case_id=current.case_id, event_time_ms=step.now_ms)
                step.send(CALLS_WANTED, call.call_id, wanted)

    def _publish(
        self, step: Step, judged: JudgedOrder, evaluation: Evaluation, waits: tuple[str, ...], *, unassigned: int = 0
    ) -> None:
        current, last = judged.current, judged.verdict
        evaluated = current.evaluation if last is None else max(last.evaluation + 1, current.evaluation, step.now_ms)
        verdict = OrderVerdict(
            case_id=current.case_id,
            order_number=current.order.number,
            client_number=current.client_number,
            revision=current.revision,
            evaluation=evaluated,
            verdict=evaluation.verdict,
            findings=evaluation.findings,
            waiting_for=waits,
            attempts=evaluation.attempts,
            comment=evaluation.comment,
            unassigned=unassigned,
            rules_hash=self._rules_hash,
            order=current.order,
            manifest=current.manifest,
            row=current.row,
            warnings=evaluation.warnings,
            layouts_hash=current.layouts_hash,
            models_hash=evaluation.models_hash,
            inputs_hash=evaluation.inputs_hash,
            event_time_ms=step.now_ms,
        )
        asked_again = last is not None and current.evaluation > last.evaluation
        if last is None or asked_again or _content(last) != _content(verdict):
            step.send(ORDERS_VERDICTS, current.case_id, verdict)
            last = verdict
        step.put(_order_key(current.client_number, current.case_id), replace(judged, verdict=last))

    def _waiting_key(self, current: OrderCurrent) -> str:
        until_ms = current.order.suspended_at_ms + self._settle_ms
        return f"waiting:{until_ms:015d}:{current.client_number}:{current.case_id}"


def _knowledge(order: Order, covered: CoverageMark) -> Knowledge:
    hours = coverage.in_window(covered.hours, order.window_start_ms, order.suspended_at_ms)
    return Knowledge(
        covered_from_start=covered.since_ms <= order.window_start_ms,
        registered=hours.registered,
        unassigned=hours.unassigned,
    )


def _order_key(client_number: str, case_id: str = "") -> str:
    return f"order:{client_number}:{case_id}"


def _place(current: OrderCurrent) -> tuple[int, int]:
    return current.revision, current.evaluation


def _content(verdict: OrderVerdict) -> OrderVerdict:
    return replace(verdict, evaluation=0, event_time_ms=0)

"""An order is judged once every call in its window is finished and the recordings are listed far enough."""

from ringtrue.messages import CallFacts
from services.compliance.pending import waiting_for
from services.compliance.verdict import pending
from tests.unit.compliance.cases import RULES, a_call, an_order, at

ORDER = an_order(suspended="16:00")
HOUR_MS = 3_600_000


def waits(*calls: CallFacts, settle_ms: int = HOUR_MS, covered: str | None = "17:00") -> tuple[str, ...]:
    return waiting_for(ORDER, calls, at(covered) if covered else None, settle_ms, RULES, "fr")


def test_an_order_whose_calls_are_finished_and_covered_waits_for_nothing() -> None:
    assert waits(a_call("09:00"), a_call("11:00", status="failed")) == ()


def test_an_order_waits_for_each_open_call_of_its_window() -> None:
    opened = a_call("09:00", None, status="registered", final=False)
    outside = a_call("17:00", None, status="registered", final=False)
    assert waits(opened, outside) == ("appel bucket/09:00 du 2026-11-18 09:00:00 : traitement en cours",)


def test_an_open_call_without_a_date_may_lie_in_the_window() -> None:
    opened = a_call(None, None, call_id="bucket/x", status="registered", final=False)
    assert waits(opened) == ("appel bucket/x, date inconnue : traitement en cours",)


def test_a_retracted_call_is_not_waited_for() -> None:
    assert waits(a_call("09:00", None, final=False, retracted=True)) == ()


def test_an_order_waits_until_coverage_reaches_its_suspension_and_the_settling_time() -> None:
    assert waits(covered="16:59:59.999") == ("enregistrements à recenser jusqu'au 2026-11-18 17:00:00",)
    assert waits(covered="16:00", settle_ms=0) == ()
    assert waits(covered=None, settle_ms=0) == ("enregistrements à recenser jusqu'au 2026-11-18 16:00:00",)


def test_a_pending_order_shows_its_attempts_and_accuses_nobody() -> None:
    opened = a_call("09:00", None, status="registered", final=False)
    evaluation = pending(ORDER, [opened], waits(opened), RULES, "fr")
    assert (evaluation.verdict, evaluation.findings) == ("pending", ())
    assert [attempt.status for attempt in evaluation.attempts] == ["registered"]
    assert evaluation.comment.startswith("En attente : appel bucket/09:00")

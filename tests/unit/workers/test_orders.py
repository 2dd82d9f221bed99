"""Orders: what a case is now, for which client, and what manifests and commands change about it."""

from dataclasses import replace

import pytest

from ringtrue.messages import Order, OrderCommand, OrderCurrent, OrderRow
from ringtrue.streaming.topics import ORDERS_COMMANDS, ORDERS_CURRENT, ORDERS_ROWS
from services.compliance.orders import Orders
from tests.unit.compliance.cases import an_order
from tests.unit.workers.bench import Bench, only
from tests.unit.workers.conftest import MakeBench

ORDER = an_order()
CASE = ORDER.case_id
CLIENT, OTHER = ORDER.client_number, "212600000002"
MONDAY, TUESDAY = "recordings/crc_monday.csv", "recordings/crc_tuesday.csv"


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(Orders())


def present(revision: int, order: Order = ORDER, *, manifest: str = MONDAY, row: int = 2) -> OrderRow:
    return OrderRow(
        order_number=order.number,
        case_id=order.case_id,
        manifest=manifest,
        row=row,
        revision=revision,
        status="present",
        order=order,
        layouts_hash="l1",
        event_time_ms=0,
    )


def withdrawn(revision: int, *, manifest: str = MONDAY) -> OrderRow:
    return replace(present(revision, manifest=manifest), status="withdrawn", order=None)


def command(event_time_ms: int, number: str = ORDER.number) -> OrderCommand:
    return OrderCommand(order_number=number, command="evaluate", reason="", event_time_ms=event_time_ms)


def after(bench: Bench, *messages: OrderRow | OrderCommand) -> list[OrderCurrent]:
    """What is newly said of orders once these have been read."""
    bench.feed_in_order(*((ORDERS_COMMANDS if isinstance(one, OrderCommand) else ORDERS_ROWS, one) for one in messages))
    bench.run()
    return bench.news(ORDERS_CURRENT, OrderCurrent)


def test_a_row_makes_a_case_current_for_its_client(bench: Bench) -> None:
    current = only(after(bench, present(10)))
    assert (current.client_number, current.case_id, current.status) == (CLIENT, CASE, "current")
    assert (current.revision, current.evaluation) == (10, 0)
    assert (current.order, current.manifest, current.row) == (ORDER, MONDAY, 2)
    assert current.layouts_hash == "l1"
    assert [record.key for record in bench.log.browse(ORDERS_CURRENT.name)] == [CLIENT.encode()]


def test_the_same_row_again_says_nothing_new(bench: Bench) -> None:
    after(bench, present(10))
    assert not after(bench, present(10), present(11), present(12, manifest=TUESDAY))


def test_a_correction_is_a_greater_revision(bench: Bench) -> None:
    after(bench, present(10))
    corrected = replace(ORDER, city="Fès")
    current = only(after(bench, present(20, corrected)))
    assert (current.order, current.revision, current.status) == (corrected, 20, "current")


def test_a_correction_of_the_client_number_silences_the_former_client_first(bench: Bench) -> None:
    after(bench, present(10))
    moved, current = after(bench, present(20, replace(ORDER, client_number=OTHER)))
    assert (moved.client_number, moved.status, moved.revision) == (CLIENT, "moved", 20)
    assert (current.client_number, current.status, current.revision) == (OTHER, "current", 20)
    assert [record.key for record in bench.log.browse(ORDERS_CURRENT.name)][1:] == [CLIENT.encode(), OTHER.encode()]


def test_an_order_that_moves_there_and_back_is_current_where_it_ends(bench: Bench) -> None:
    said = after(bench, present(10), present(20, replace(ORDER, client_number=OTHER)), present(30))
    latest = {one.client_number: one.status for one in said}
    assert latest == {CLIENT: "current", OTHER: "moved"}
    assert [one.revision for one in said] == [10, 20, 20, 30, 30]


def test_an_older_manifest_changes_nothing_but_holds_the_case_too(bench: Bench) -> None:
    after(bench, present(20))
    assert not after(bench, present(10, replace(ORDER, city="Fès"), manifest=TUESDAY))
    assert not after(bench, withdrawn(30))
    assert only(after(bench, withdrawn(30, manifest=TUESDAY))).status == "withdrawn"


def test_an_older_manifest_changes_nothing_when_the_newest_only_repeated_the_case(bench: Bench) -> None:
    after(bench, present(10), present(30))
    assert not after(bench, present(20, replace(ORDER, city="Fès"), manifest=TUESDAY))


def test_a_case_is_withdrawn_when_no_manifest_holds_it_any_more(bench: Bench) -> None:
    after(bench, present(10), present(20, manifest=TUESDAY))
    assert not after(bench, withdrawn(30))
    gone = only(after(bench, withdrawn(40, manifest=TUESDAY)))
    assert (gone.status, gone.client_number, gone.order, gone.revision) == ("withdrawn", CLIENT, ORDER, 40)
    assert not bench.state()


def test_a_withdrawal_by_a_manifest_that_does_not_hold_the_case_says_nothing(bench: Bench) -> None:
    after(bench, present(10))
    assert not after(bench, withdrawn(20, manifest=TUESDAY))
    assert not after(bench, withdrawn(20), withdrawn(30))[1:]


def test_a_case_that_comes_back_after_its_withdrawal_is_current_again(bench: Bench) -> None:
    said = after(bench, present(10), withdrawn(20), present(30))
    assert [(one.status, one.revision) for one in said] == [("current", 10), ("withdrawn", 20), ("current", 30)]


def test_a_command_asks_for_another_evaluation_of_every_case_of_the_order(bench: Bench) -> None:
    second = replace(ORDER, case_id="CMD-1@20261119T190000Z")
    after(bench, present(10), present(10, second), present(10, replace(ORDER, number="CMD-10", case_id="CMD-10@X")))
    asked = after(bench, command(5_000))
    assert {(one.case_id, one.revision, one.evaluation, one.status) for one in asked} == {
        (CASE, 10, 5_000, "current"),
        (second.case_id, 10, 5_000, "current"),
    }
    assert {one.evaluation for one in after(bench, command(5_000))} == {5_001}


def test_a_correction_after_a_command_still_replaces(bench: Bench) -> None:
    after(bench, present(10), command(5_000))
    corrected = only(after(bench, present(20, replace(ORDER, city="Fès"))))
    assert (corrected.revision, corrected.order.city) == (20, "Fès")


def test_a_command_for_an_unknown_order_is_refused(bench: Bench) -> None:
    assert not after(bench, command(5_000, "CMD-404"))
    letter = only(bench.letters())
    assert letter.error == "unknown_order"
    assert "CMD-404" in letter.message


def test_a_row_that_is_present_but_empty_is_refused(bench: Bench) -> None:
    assert not after(bench, replace(present(10), order=None))
    assert bench.refusals() == ["order_missing"]

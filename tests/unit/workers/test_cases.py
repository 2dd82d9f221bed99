"""Manifests become rows, once; a manifest put again withdraws what it no longer holds."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import pytest

from ringtrue.manifests.layouts import load_layouts
from ringtrue.messages import ManifestRead, ObjectSeen, OrderRow
from ringtrue.streaming.topics import MANIFESTS_READ, MANIFESTS_SEEN, ORDERS_ROWS
from services.ingest import cases
from services.ingest.cases import Manifests
from services.ingest.objects import object_seen
from tests.unit.ingest.manifests import COMMENT, SAV_ROW, workbook_of
from tests.unit.workers.bench import Bench, Crash, only
from tests.unit.workers.conftest import MakeBench
from tests.unit.workers.shelf import BUCKET, Shelf, etag_of

KEY = "manifests/crc_adsl_2026-11-18.csv"
NAME = f"{BUCKET}/{KEY}"
HEADINGS = (
    "inwib2c_order__c;numero_de_contact;date_commande;date_last_status;statut_de_degroupage_iam;statut_commande;city"
)
LAYOUTS = load_layouts()


def row(number: int, *, client: str = "", city: str = "Rabat", at: str = "18:00:00") -> str:
    contact = client or f"06000{number:05d}"
    return f"CMD-{number};{contact};2026-11-17 09:00:00;2026-11-18 {at};client injoignable;suspendue;{city}"


def case_id(number: int, hour: int = 17) -> str:
    return f"CMD-{number}@20261118T{hour:02d}0000Z"


class Desk:
    """A manifests worker on a bench, and its bucket."""

    def __init__(self, make_bench: MakeBench) -> None:
        self.shelf = Shelf()
        self.bench: Bench = make_bench(Manifests(self.shelf, LAYOUTS, ZoneInfo("Africa/Casablanca"), None))
        self._clock_ms = 1_000

    def upload(self, rows: Iterable[str], key: str = KEY) -> None:
        """Puts a manifest and announces it; nothing is read yet."""
        data = "\n".join([HEADINGS, *rows]).encode()
        self._clock_ms += 1_000
        self.shelf.put(BUCKET, key, data)
        self.announce(data, key)

    def announce(self, data: bytes, key: str = KEY, *, origin: str = "scan") -> None:
        seen: ObjectSeen = object_seen(BUCKET, key, etag_of(data), len(data), self._clock_ms, "scan")
        self.bench.feed(MANIFESTS_SEEN, seen, headers={"origin": origin})

    def rows(self) -> list[OrderRow]:
        """The rows that are newly sent, once everything has been read."""
        self.bench.run()
        return self.bench.news(ORDERS_ROWS, OrderRow)

    def read(self) -> list[ManifestRead]:
        """What is newly said of manifests."""
        return self.bench.news(MANIFESTS_READ, ManifestRead)


@pytest.fixture
def desk(make_bench: MakeBench) -> Desk:
    return Desk(make_bench)


def said(rows: Iterable[OrderRow]) -> list[tuple[str, str]]:
    return [(one.case_id, one.status) for one in rows]


def test_each_row_that_counts_is_sent_with_its_line_and_the_manifest_is_summed_up(desk: Desk) -> None:
    other_day = row(9).replace("2026-11-18 18", "2026-11-17 18")
    desk.upload([row(1), other_day, row(2), row(3, client="not a number")])
    rows = desk.rows()
    assert said(rows) == [(case_id(1), "present"), (case_id(2), "present")]
    assert [(one.order_number, one.manifest, one.row) for one in rows] == [("CMD-1", NAME, 2), ("CMD-2", NAME, 4)]
    assert rows[0].order is not None
    assert (rows[0].order.client_number, rows[0].order.city) == ("212600000001", "Rabat")
    assert {one.layouts_hash for one in rows} == {LAYOUTS.hash}
    read = only(desk.read())
    assert (read.manifest, read.status, read.kind, read.category, read.day) == (
        NAME,
        "ok",
        "ACQUISITION",
        "ADSL",
        "2026-11-18",
    )
    assert (read.rows, read.orders, read.skipped, read.rejected) == (4, 2, 1, 1)


def test_a_rejected_row_is_a_dead_letter_that_names_row_column_value_and_reason(desk: Desk) -> None:
    desk.upload([row(1), row(2, client="12"), row(3)])
    assert len(desk.rows()) == 2
    letter = only(desk.bench.letters())
    assert (letter.error, letter.subject) == ("rejected_row", f"{NAME} row 3")
    for told in (NAME, "row 3", "numero_de_contact", "'12'", "not a phone number"):
        assert told in letter.message


def test_a_rejected_row_of_a_workbook_is_a_dead_letter_that_names_its_sheet(desk: Desk) -> None:
    key, bad = "manifests/sav_2026-11-18.xlsx", {**SAV_ROW, COMMENT: "?"}
    data = workbook_of({"Notes": [["city"]], "Export": [list(SAV_ROW), list(SAV_ROW.values()), list(bad.values())]})
    desk.shelf.put(BUCKET, key, data)
    desk.announce(data, key)
    [row] = desk.rows()
    assert row.order is not None
    assert (row.order.category, row.order.name) == ("ADSL", "ALAMI Karim")
    read = only(desk.read())
    assert (read.kind, read.category, read.orders, read.rejected) == ("SAV", "", 1, 1)
    assert f"{BUCKET}/{key} row 3, sheet 'Export', column {COMMENT!r}" in only(desk.bench.letters()).message


def test_a_manifest_that_is_announced_again_is_not_read_again(desk: Desk) -> None:
    desk.upload([row(1), row(2, client="12")])
    desk.rows()
    desk.upload([row(1), row(2, client="12")])
    assert not desk.rows()
    assert len(desk.read()) == 1
    assert len(desk.bench.letters()) == 1


def test_a_retry_reads_the_same_manifest_again(desk: Desk) -> None:
    desk.upload([row(1)])
    first = only(desk.rows())
    desk.announce("\n".join([HEADINGS, row(1)]).encode(), origin="retry")
    second = only(desk.rows())
    assert second.revision > first.revision


def test_a_manifest_put_again_corrects_its_rows_and_withdraws_what_it_no_longer_holds(desk: Desk) -> None:
    desk.upload([row(1), row(2), row(3)])
    first = desk.rows()
    desk.upload([row(4), row(1, city="Fès")])
    second = desk.rows()
    assert said(second) == [
        (case_id(4), "present"),
        (case_id(1), "present"),
        (case_id(2), "withdrawn"),
        (case_id(3), "withdrawn"),
    ]
    assert {one.revision for one in second} == {desk.read()[-1].revision}
    assert second[0].revision > first[0].revision
    assert second[1].order is not None
    assert (second[1].order.city, second[1].row) == ("Fès", 3)
    desk.upload([row(4)])
    assert said(desk.rows()) == [(case_id(4), "present"), (case_id(1), "withdrawn")]


def test_an_order_that_was_suspended_again_is_another_case(desk: Desk) -> None:
    desk.upload([row(1)])
    desk.rows()
    desk.upload([row(1, at="19:00:00")])
    assert said(desk.rows()) == [(case_id(1, 18), "present"), (case_id(1), "withdrawn")]


def test_manifests_whose_names_begin_alike_keep_their_cases_apart(desk: Desk) -> None:
    desk.upload([row(1)], key="crc_adsl.csv")
    desk.upload([row(2)], key="crc_adsl.csv.2.csv")
    desk.rows()
    desk.upload([row(3)], key="crc_adsl.csv")
    assert said(desk.rows()) == [(case_id(3), "present"), (case_id(1), "withdrawn")]


def test_a_manifest_that_cannot_be_read_is_answered_once_and_keeps_the_cases_of_the_one_before(desk: Desk) -> None:
    desk.upload([row(1)])
    desk.rows()
    desk.read()
    for _ in range(2):
        desk.shelf.put(BUCKET, KEY, b"no;such;headings\n1;2;3")
        desk.announce(b"no;such;headings\n1;2;3")
        assert not desk.rows()
    read = only(desk.read())
    assert (read.status, read.orders) == ("failed", 0)
    assert read.failure is not None
    assert (read.failure.stage, read.failure.reason) == ("ingest-manifests", "unreadable_manifest")
    assert desk.bench.refusals() == ["unreadable_manifest"]
    desk.upload([row(2)])
    assert said(desk.rows()) == [(case_id(2), "present"), (case_id(1), "withdrawn")]
    assert only(desk.read()).revision > read.revision


@pytest.mark.parametrize("name", ["ACQUISITION_ADSL_2026-11-18.csv", "result_ACQUISITION_ADSL_2026-11-18.csv"])
def test_a_report_that_is_put_into_the_bucket_is_refused_whatever_it_holds(desk: Desk, name: str) -> None:
    desk.upload([row(1)], key=f"reports/{name}")
    assert not desk.rows()
    assert desk.bench.refusals() == ["unreadable_manifest"]


def test_a_manifest_that_is_gone_is_answered_and_read_once_it_is_put_back(desk: Desk) -> None:
    desk.upload([row(1)])
    desk.shelf.remove(KEY)
    assert not desk.rows()
    assert only(desk.read()).status == "failed"
    desk.upload([row(1)])
    assert said(desk.rows()) == [(case_id(1), "present")]


def test_a_good_manifest_that_comes_back_over_an_unreadable_one_is_read(desk: Desk) -> None:
    desk.upload([row(1)])
    desk.shelf.put(BUCKET, KEY, b"no;such;headings\n1;2;3")  # before the first announcement is read
    assert not desk.rows()
    desk.announce(b"no;such;headings\n1;2;3")
    assert not desk.rows()
    assert desk.bench.refusals() == ["unreadable_manifest"]
    desk.upload([row(1)])
    assert said(desk.rows()) == [(case_id(1), "present")]


def test_nothing_is_lost_while_the_store_is_away(desk: Desk) -> None:
    desk.upload([row(1)])
    desk.shelf.away = 3
    assert said(desk.rows()) == [(case_id(1), "present")]
    assert not desk.bench.letters()


@pytest.mark.parametrize("dies_after", [1, 2, 3])
def test_a_manifest_larger_than_a_transaction_ends_the_same_when_the_worker_dies_on_the_way(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    monkeypatch.setattr(cases, "_ROWS", 2)
    desk.upload([row(1), row(9)])
    first = desk.rows()
    desk.upload([*(row(number) for number in range(1, 6)), row(7, client="12")])
    with pytest.raises(Crash):
        desk.bench.run(dies_after=dies_after)
    second = desk.rows()
    latest = {one.case_id: one.status for one in [*first, *second]}
    assert latest == {**{case_id(number): "present" for number in range(1, 6)}, case_id(9): "withdrawn"}
    assert {one.revision for one in second} == {desk.read()[-1].revision}
    assert len(desk.read()) == 0
    assert desk.bench.refusals() == ["rejected_row"]
    assert not desk.rows()
    assert sum(isinstance(value, ManifestRead) for value in desk.bench.state().values()) == 1
    held = {key.partition("\x1f")[2] for key, value in desk.bench.state().items() if "\x1f" in key}
    assert held == {case_id(number) for number in range(1, 6)}


def test_bytes_that_are_no_message_are_refused(desk: Desk) -> None:
    desk.bench.feed(MANIFESTS_SEEN, b"?")
    assert not desk.rows()
    assert desk.bench.refusals() == ["undecodable"]

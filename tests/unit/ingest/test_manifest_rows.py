"""The rows of manifests: which are orders, which do not count, which are unusable."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.manifests.manifest import Manifest, ManifestOrder, Rejected, Skipped, as_json, read_manifest
from tests.unit.ingest.manifests import CASABLANCA, LAYOUTS, NAME, ORDER, ROW, numbers, read, utc_ms


def test_a_row_becomes_an_order_with_all_that_it_says() -> None:
    manifest = read({})
    assert manifest == Manifest(
        kind="ACQUISITION",
        category="ADSL",
        day=date(2026, 11, 18),
        rows=1,
        orders=(
            ManifestOrder(
                row=2,
                order=ORDER,
            ),
        ),
        skipped=(),
        rejected=(),
    )


@pytest.mark.parametrize(
    "written", ["612345678", "6.12345678E+08", "612345678.0", "+212612345678", "00212 612-34-56-78"]
)
def test_a_number_that_a_spreadsheet_mangled_is_the_same_client(written: str) -> None:
    assert read({"numero_de_contact": written}) == read({})


@pytest.mark.parametrize("written", ["18/11/2026 18:00", "18/11/2026 18:00:00", "46344.75", "2026-11-18T18:00:00"])
def test_dates_arrive_in_many_forms(written: str) -> None:
    assert read({"date_last_status": written}) == read({})


@pytest.mark.parametrize(("ordered", "suspended"), [("17/11/2026", "18/11/2026"), ("46343", "46344")])
def test_dates_alone_are_midnight_of_the_order_and_the_last_second_of_the_suspension(
    ordered: str, suspended: str
) -> None:
    [one] = read({"date_commande": ordered, "date_last_status": suspended}).orders
    assert one.order.ordered_at_ms == utc_ms(16, 23)
    assert one.order.suspended_at_ms == utc_ms(18, 22, 59, 59)


@pytest.mark.parametrize(
    ("motif", "outcome"),
    [
        ("CLIENT INJOIGNABLE", 3),
        (" client refuse installation ", 1),
        ("Client reporté RDV", 2),
        ("Client  injoignable", 3),
    ],
)
def test_motifs_are_compared_without_case_accents_and_space(motif: str, outcome: int) -> None:
    [one] = read({"statut_de_degroupage_iam": motif}).orders
    assert one.order.motif_outcome == outcome
    assert one.order.motif == motif.strip()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"statut_commande": "Annulée"}, "order status 'Annulée'"),
        ({"statut_commande": ""}, "order status ''"),
        ({"statut_de_degroupage_iam": "Client absent"}, "motif 'Client absent'"),
        ({"date_last_status": "2026-11-17 18:00:00"}, "suspended on 2026-11-17"),
        # Whether a row counts comes first: nobody has to repair the number of a row that does not.
        ({"statut_commande": "Annulée", "numero_de_contact": "?"}, "order status"),
    ],
)
def test_rows_that_do_not_count_are_skipped_with_the_reason(changed: dict[str, str], said: str) -> None:
    manifest = read({"inwib2c_order__c": "CMD-0", "numero_de_contact": "0611111111"}, changed)
    assert numbers(manifest) == ["CMD-0"]
    assert manifest.rejected == ()
    [skipped] = manifest.skipped
    assert skipped.row == 3
    assert said in skipped.reason


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("numero_de_contact", "061234", "not a phone number"),
        ("numero_de_contact", "", "empty"),
        ("numero_de_contact", "null", "empty"),
        ("date_commande", "32/13/2026", "not a date"),
        ("date_commande", "", "empty"),
        ("date_last_status", "hier", "not a date"),
        ("date_last_status", "2026-11-18 07:00:00", "before the order"),
        ("inwib2c_order__c", "", "empty"),
    ],
)
def test_an_unusable_row_names_row_column_value_and_reason_and_stops_no_other(
    column: str, value: str, said: str
) -> None:
    bad = {column: value}
    if said == "before the order":
        bad["date_commande"] = "2026-11-18 08:00:00"
    manifest = read(bad, {"inwib2c_order__c": "CMD-2", "numero_de_contact": "0611111111"})
    assert numbers(manifest) == ["CMD-2"]
    [rejected] = manifest.rejected
    assert (rejected.row, rejected.column) == (2, column)
    assert rejected.value == ("" if value == "null" else value)
    assert said in rejected.reason


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("CRC_ADSL_2026-11-18.csv", date(2026, 11, 18)),
        ("crc_adsl_20261118_2.csv", date(2026, 11, 18)),
        ("18-11-2026 crc_adsl.csv", date(2026, 11, 18)),
        ("CRC_ADSL_18112026.csv", date(2026, 11, 18)),
        ("2026-01-01/CRC_ADSL_2026-11-18.csv", date(2026, 11, 18)),
        ("CRC_ADSL_2026-13-18.csv", date(2026, 11, 17)),
        ("CRC_ADSL.csv", date(2026, 11, 17)),
    ],
)
def test_the_processed_day_is_that_of_the_name_else_the_day_of_most_rows(name: str, day: date) -> None:
    rows = [
        {"inwib2c_order__c": f"CMD-{row}", "numero_de_contact": f"061111111{row}", "date_last_status": suspended}
        for row, suspended in enumerate(["2026-11-17 10:00:00", "2026-11-18 10:00:00", "2026-11-17 23:59:59", "x"])
    ]
    manifest = read(*rows, name=name)
    assert manifest.day == day
    assert numbers(manifest) == (["CMD-0", "CMD-2"] if day == date(2026, 11, 17) else ["CMD-1"])
    assert read(*rows, name=name, day=date(2026, 11, 18)).day == date(2026, 11, 18)


def test_the_day_is_local() -> None:
    # 23:30 UTC is the next day in Casablanca.
    assert numbers(read({"date_last_status": "2026-11-17T23:30:00Z"})) == ["CMD-1"]


def test_of_one_client_only_the_row_suspended_last_counts() -> None:
    manifest = read(
        {"inwib2c_order__c": "A", "date_last_status": "2026-11-18 17:00:00"},
        {"inwib2c_order__c": "B", "numero_de_contact": "+212612345678"},
        {"inwib2c_order__c": "C", "date_last_status": "2026-11-18 17:30:00"},
    )
    assert numbers(manifest) == ["B"]
    assert [(one.row, one.reason) for one in manifest.skipped] == [
        (2, "row 4 is of the same client and was suspended later"),
        (4, "row 3 is of the same client and was suspended later"),
    ]


def test_of_one_client_suspended_twice_at_once_the_later_row_counts() -> None:
    assert numbers(read({"inwib2c_order__c": "A"}, {"inwib2c_order__c": "B"})) == ["B"]


def test_a_rejected_row_does_not_displace_a_good_one_of_the_same_client() -> None:
    manifest = read({"inwib2c_order__c": "A"}, {"inwib2c_order__c": "B", "date_commande": "?"})
    assert numbers(manifest) == ["A"]


def test_the_same_case_twice_in_a_file_is_corrected_by_the_later_row() -> None:
    manifest = read({"numero_de_contact": "0611111111"}, {"numero_de_contact": "0622222222"})
    assert [one.order.client_number for one in manifest.orders] == ["212622222222"]
    assert manifest.skipped == (Skipped(2, "row 3 holds the same order and suspension"),)


@pytest.mark.parametrize(
    ("recyclages", "start"),
    [
        (["", ""], utc_ms(17, 8)),
        (["2026-11-17 12:00:00", "18/11/2026 10:00"], utc_ms(18, 9)),
        (["2026-11-18 10:00:00", "2026-11-17 12:00:00"], utc_ms(18, 9)),
        (["2026-11-16 10:00:00", ""], utc_ms(17, 8)),  # before the order
        (["2026-11-17 12:00:00", "2026-11-18 18:00:00"], utc_ms(17, 11)),  # at the suspension: no longer before it
        (["2026-11-17 09:00:00", ""], utc_ms(17, 8)),  # at the order
        (["2026-11-18", ""], utc_ms(17, 23)),
    ],
)
def test_the_window_starts_at_the_latest_recyclage_between_order_and_suspension(
    recyclages: list[str], start: int
) -> None:
    columns = dict(zip(["premiere_date_recyclage", "sixieme_date_recyclage"], recyclages, strict=True))
    [one] = read(columns).orders
    assert one.order.window_start_ms == start


def test_an_unreadable_recyclage_rejects_the_row_rather_than_guess_its_window() -> None:
    [rejected] = read({"premiere_date_recyclage": "bientôt"}).rejected
    assert (rejected.column, rejected.value) == ("premiere_date_recyclage", "bientôt")


def test_the_json_form_has_local_times_with_their_offset() -> None:
    manifest = read(
        {}, {"statut_commande": "Annulée"}, {"inwib2c_order__c": "CMD-3", "numero_de_contact": "06 11 11 11 1"}
    )
    assert as_json(manifest, NAME, CASABLANCA) == {
        "file": NAME,
        "kind": "ACQUISITION",
        "orders": [
            {
                "row": 2,
                "order": "CMD-1",
                "client_number": "212612345678",
                "ordered_at": "2026-11-17T09:00:00+01:00",
                "suspended_at": "2026-11-18T18:00:00+01:00",
                "window_start": "2026-11-17T09:00:00+01:00",
                "motif": "Client injoignable",
                "category": "ADSL",
                "name": None,
            }
        ],
        "skipped": [{"row": 3, "reason": "order status 'Annulée' does not count"}],
        "rejected": [
            {
                "row": 4,
                "column": "numero_de_contact",
                "value": "06 11 11 11 1",
                "reason": "not a phone number; expected ten digits or +212 and nine",
            }
        ],
    }


CELLS = st.sampled_from(
    ["", "0612345678", "2026-11-18 10:00:00", "Suspendue", "client injoignable", "A", "x;y", "é", '"']
)


@given(st.lists(st.lists(CELLS, max_size=11), max_size=8))
def test_every_row_is_an_order_skipped_or_rejected(rows: list[list[str]]) -> None:
    lines = [",".join(ROW), *(",".join(cells) for cells in rows)]
    manifest = read_manifest("\n".join(lines).encode(), NAME, LAYOUTS, CASABLANCA)
    seen = [one.row for group in (manifest.orders, manifest.skipped, manifest.rejected) for one in group]
    assert sorted(set(seen)) == sorted(seen)
    assert len(seen) == manifest.rows
    assert all(isinstance(one, Rejected) for one in manifest.rejected)

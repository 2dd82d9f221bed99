"""The layouts of manifests: what each kind's rows say, and how another operator's are told in a file."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ringtrue.errors import Misconfigured
from ringtrue.manifests.layouts import DEFAULT_LAYOUTS, load_layouts
from ringtrue.manifests.manifest import UnreadableManifest, read_manifest
from tests.unit.ingest.manifests import (
    CASABLANCA,
    COMMENT,
    LAYOUTS,
    ORDER,
    RECYCLED,
    REOPENED,
    ROW,
    SAV_NAME,
    SAV_ROW,
    SENT,
    VULA_NAME,
    VULA_ROW,
    numbers,
    quoted_csv,
    read_sav,
    utc_ms,
)

VULA = replace(
    ORDER,
    number="VULA-1",
    case_id="VULA-1@20261118T170000Z",
    category="VULA",
    motif="Client refuse installation",
    motif_outcome=1,
    work_order=None,
    line_number="0522000002",
    line_id="LID-1",
    city="Salé",
)
SAV = replace(
    ORDER,
    number="INC-1",
    case_id="INC-1@20261118T170000Z",
    kind="SAV",
    motif="Client absent",
    motif_outcome=6,
    work_order="OT-3",
    line_number="0522000003",
    name="ALAMI Karim",
)
#: Name, row and order of each of the four layouts.
FOUR = {
    "ACQUISITION/ADSL": ("CRC_ADSL_2026-11-18.csv", ROW, ORDER),
    "ACQUISITION/VULA": (VULA_NAME, VULA_ROW, VULA),
    "SAV/ADSL": (SAV_NAME, SAV_ROW, SAV),
    "SAV/VULA": (SAV_NAME, {**SAV_ROW, "Category": "Panne FTTH"}, replace(SAV, category="VULA")),
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("layout", FOUR)
def test_each_layout_is_read_in_every_encoding_and_under_every_separator(
    layout: str, encoding: str, separator: str
) -> None:
    name, row, order = FOUR[layout]
    data = quoted_csv(row, separator=separator, encoding=encoding)
    manifest = read_manifest(data, name, LAYOUTS, CASABLANCA)
    assert [one.order for one in manifest.orders] == [order]
    assert (manifest.kind, manifest.day) == (order.kind, date(2026, 11, 18))


@pytest.mark.parametrize("layout", FOUR)
def test_headings_may_be_shouted_without_accents_broken_into_lines_and_turned_around(layout: str) -> None:
    name, row, order = FOUR[layout]
    changed = {
        f" {heading.upper().replace('É', 'E').replace(' ', chr(10), 1)} ": cell
        for heading, cell in reversed(row.items())
    }
    manifest = read_manifest(quoted_csv(changed), name, LAYOUTS, CASABLANCA)
    assert [one.order for one in manifest.orders] == [order]


@pytest.mark.parametrize("apostrophe", ["’", "‘", "ʼ", "´", "`"])
def test_the_apostrophe_of_a_heading_may_be_any(apostrophe: str) -> None:
    row = {heading.replace("'", apostrophe): cell for heading, cell in SAV_ROW.items()}
    assert numbers(read_manifest(quoted_csv(row), SAV_NAME, LAYOUTS, CASABLANCA)) == ["INC-1"]


@pytest.mark.parametrize("layout", FOUR)
def test_titles_above_the_headings_are_passed_over_and_counted_in_the_row_numbers(layout: str) -> None:
    name, row, order = FOUR[layout]
    title = b';;\r\n"Extraction du\r\n18/11/2026";;\r\nCity;18/11/2026\r\n'
    manifest = read_manifest(title + quoted_csv(row), name, LAYOUTS, CASABLANCA)
    assert [(one.row, one.order) for one in manifest.orders] == [(5, order)]


@pytest.mark.parametrize("name", ["SAV_2026-11-18.csv", "export sav 18-11-2026.csv", "Sav.csv"])
def test_a_manifest_is_one_of_sav_by_its_name(name: str) -> None:
    manifest = read_sav({}, name=name)
    assert (manifest.kind, manifest.category, numbers(manifest)) == ("SAV", "", ["INC-1"])


@pytest.mark.parametrize(
    ("written", "category"),
    [("FTTH", "VULA"), ("sav - ftth 100M", "VULA"), ("Ftth", "VULA"), ("ADSL", "ADSL"), ("", "ADSL"), ("VULA", "ADSL")],
)
def test_the_category_of_a_sav_row_is_vula_when_its_column_says_ftth_and_adsl_for_anything_else(
    written: str, category: str
) -> None:
    [one] = read_sav({"Category": written}).orders
    assert one.order.category == category


@pytest.mark.parametrize(
    ("motif", "outcome"),
    [
        ("Client injoignable", 3),
        ("CLIENT REFUSE INSTALLATION", 1),
        ("client reporté rdv", 2),
        ("Client absent ", 6),
        ("absence  routeur client", 5),
        ("Local fermé", 7),
    ],
)
def test_sav_knows_six_motifs_and_the_outcome_that_each_declares(motif: str, outcome: int) -> None:
    [one] = read_sav({"Motif suspension": motif}).orders
    assert one.order.motif_outcome == outcome


@pytest.mark.parametrize("motif", ["Client absent", "Absence routeur client", "Local fermé", "Autre", ""])
def test_an_installation_of_a_motif_that_only_sav_knows_does_not_count(motif: str) -> None:
    row = {**VULA_ROW, "inwib2c_motif__c": motif}
    manifest = read_manifest(quoted_csv(row), VULA_NAME, LAYOUTS, CASABLANCA)
    assert not manifest.orders
    assert [one.reason for one in manifest.skipped] == [f"motif {motif!r} does not count"]


def test_a_sav_row_of_another_motif_does_not_count_whatever_its_comment_says() -> None:
    manifest = read_sav({"Motif suspension": "Travaux en cours", COMMENT: "personne"})
    assert [one.reason for one in manifest.skipped] == ["motif 'Travaux en cours' does not count"]


@pytest.mark.parametrize(
    ("recycled", "reopened", "start"),
    [
        ("", "", utc_ms(17, 8)),
        ("17/11/2026 12:00", "", utc_ms(17, 11)),
        ("", "2026-11-18 10:00:00", utc_ms(18, 9)),
        ("17/11/2026 12:00", "46344.25", utc_ms(18, 5)),
        ("18/11/2026 18:00", "17/11/2026 12:00", utc_ms(17, 11)),
        ("16/11/2026 12:00", "19/11/2026", utc_ms(17, 8)),
        ("18/11/2026", "", utc_ms(17, 23)),
    ],
)
def test_the_window_of_a_sav_order_starts_at_its_latest_recyclage_or_reopening(
    recycled: str, reopened: str, start: int
) -> None:
    [one] = read_sav({RECYCLED: recycled, REOPENED: reopened}).orders
    assert one.order.window_start_ms == start


def test_a_sav_manifest_may_lack_what_is_not_needed() -> None:
    row = {heading: SAV_ROW[heading] for heading in SAV_ROW if heading not in (RECYCLED, REOPENED, "ND", "city")}
    [one] = read_manifest(quoted_csv(row), SAV_NAME, LAYOUTS, CASABLANCA).orders
    assert one.order == replace(SAV, line_number=None, city=None)


@pytest.mark.parametrize("heading", ["Number", SENT, "Date suspension", "Motif suspension", "Category", COMMENT])
def test_a_sav_manifest_without_a_needed_column_is_unreadable_and_the_column_is_named(heading: str) -> None:
    row = {name: cell for name, cell in SAV_ROW.items() if name != heading}
    with pytest.raises(UnreadableManifest, match=f"the column {heading!r} is missing".replace("(", "\\(")) as caught:
        read_manifest(quoted_csv(row), SAV_NAME, LAYOUTS, CASABLANCA)
    assert (caught.value.row, caught.value.column) == (1, heading)


@pytest.mark.parametrize("comment", ["Client à rappeler", "contact : 0522123456", "061234567", "tel 0612 34 56"])
def test_a_sav_row_without_a_mobile_number_is_rejected_with_its_comment(comment: str) -> None:
    manifest = read_sav({COMMENT: comment}, {"Number": "INC-2"})
    assert numbers(manifest) == ["INC-2"]
    [rejected] = manifest.rejected
    assert (rejected.row, rejected.column, rejected.value) == (2, COMMENT, comment)
    assert rejected.reason == "the text holds no mobile number"


@pytest.mark.parametrize("written", ["", "-", "null", "#N/A"])
def test_a_sav_row_with_an_empty_comment_is_rejected(written: str) -> None:
    [rejected] = read_sav({COMMENT: written}).rejected
    assert (rejected.column, rejected.reason) == (COMMENT, "the cell is empty")


def test_of_one_sav_client_only_the_row_suspended_last_counts_however_the_number_is_written() -> None:
    manifest = read_sav(
        {"Number": "A", COMMENT: "contact 06 12 34 56 78"},
        {"Number": "B", COMMENT: "tel : +212612345678", "Date suspension": "18/11/2026 18:30"},
        {"Number": "C", COMMENT: "00212-612-345-678", "Category": "FTTH", "Date suspension": "18/11/2026 08:30"},
    )
    assert numbers(manifest) == ["B"]
    assert [one.row for one in manifest.skipped] == [2, 4]


OTHER_OPERATOR = """
date_forms: ["%m/%d/%Y %I:%M %p", "%m/%d/%Y"]
layouts:
  - file_name: tickets
    kind: SAV
    category: ADSL
    categories: {gpon: VULA, fibre: VULA}
    columns: {number: id, comment: notes, ordered_at: opened, suspended_at: closed, motif: reason, category: product}
    motifs: [{outcome: 3, written: [no answer, "n/r"]}]
    labels: {after: [call], number: [call], name: [customer name], not_names: [please]}
"""


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "layouts.yaml"
    path.write_text(OTHER_OPERATOR)
    return path


def test_another_operator_has_its_own_columns_categories_motifs_labels_and_dates(other: Path) -> None:
    data = (
        b"id,notes,opened,closed,reason,product\n"
        b"7,please call 0612345678 Jane Doe,11/12/2026,11/18/2026 6:00 PM,N/R,GPON 200\n"
        b"8,Customer name: John Roe call 0612345679,11/12/2026,11/18/2026,no answer,copper\n"
    )
    first, second = read_manifest(data, "tickets.csv", load_layouts(other), CASABLANCA).orders
    assert (first.order.client_number, first.order.name, first.order.category) == ("212612345678", "Jane Doe", "VULA")
    assert (first.order.ordered_at_ms, first.order.suspended_at_ms) == (utc_ms(11, 23), utc_ms(18, 17))
    assert (second.order.client_number, second.order.name, second.order.category) == (
        "212612345679",
        "John Roe",
        "ADSL",
    )
    assert second.order.suspended_at_ms == utc_ms(18, 22, 59, 59)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("comment: notes, ", "", "either client_number or comment"),
        ("comment: notes", "comment: notes, client_number: tel", "either client_number or comment"),
        ("category: product", "city: product", "columns.category and categories go together"),
        ("comment: notes", "comment: notes, status: state", "columns.status and statuses go together"),
        ("not_names", "no_names", "no_names"),
        ("date_forms: [", f"empty: [{'x' * 31}]\ndate_forms: [", "at most 30 characters"),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused_at_the_start(
    other: Path, was: str, becomes: str, said: str
) -> None:
    assert was in OTHER_OPERATOR
    other.write_text(OTHER_OPERATOR.replace(was, becomes))
    with pytest.raises(Misconfigured, match=said):
        load_layouts(other)


def test_the_shipped_layouts_are_three_files_of_two_kinds() -> None:
    assert [(one.file_name, one.kind, one.category) for one in load_layouts(DEFAULT_LAYOUTS).layouts] == [
        ("crc_adsl", "ACQUISITION", "ADSL"),
        ("crc_vula", "ACQUISITION", "VULA"),
        ("sav", "SAV", "ADSL"),
    ]

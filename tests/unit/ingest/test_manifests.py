"""Manifests: which rows are orders, which do not count, which are unusable, in every form in which the files arrive."""

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.errors import Misconfigured
from ringtrue.messages import Order
from services.ingest.manifests.layouts import DEFAULT_LAYOUTS, load_layouts
from services.ingest.manifests.manifest import (
    Manifest,
    ManifestOrder,
    Rejected,
    Skipped,
    UnreadableManifest,
    as_json,
    read_manifest,
)

CASABLANCA = ZoneInfo("Africa/Casablanca")
LAYOUTS = load_layouts()
NAME = "manifests/CRC_ADSL_2026-11-18.csv"
#: A cell of a workbook; a tuple is a number with a date format.
Cell = str | float | tuple[float]

ROW = {
    "inwib2c_order__c": "CMD-1",
    "inwib2c_degroupage_num__c": "OT-1",
    "date_commande": "2026-11-17 09:00:00",
    "date_last_status": "2026-11-18 18:00:00",
    "numero_de_contact": "0612345678",
    "statut_de_degroupage_iam": "Client injoignable",
    "statut_commande": "Suspendue",
    "nd": "0522000001",
    "city": "Fès",
}


def utc_ms(day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    return int(datetime(2026, 11, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000


def csv_of(*rows: dict[str, str], separator: str = ",", encoding: str = "utf-8") -> bytes:
    """A manifest of the given rows, each `ROW` with changes; the headings are those of the first."""
    full = [{**ROW, **row} for row in rows]
    lines = [separator.join(full[0])] + [separator.join(row[heading] for heading in full[0]) for row in full]
    return ("\r\n".join(lines) + "\r\n").encode(encoding)


def read(*rows: dict[str, str], name: str = NAME, day: date | None = None) -> Manifest:
    return read_manifest(csv_of(*rows), name, LAYOUTS, CASABLANCA, day)


def numbers(manifest: Manifest) -> list[str]:
    return [one.order.number for one in manifest.orders]


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
                order=Order(
                    number="CMD-1",
                    case_id="CMD-1@20261118T170000Z",
                    kind="ACQUISITION",
                    category="ADSL",
                    client_number="212612345678",
                    motif="Client injoignable",
                    motif_outcome=3,
                    ordered_at_ms=utc_ms(17, 8),
                    suspended_at_ms=utc_ms(18, 17),
                    window_start_ms=utc_ms(17, 8),
                    work_order="OT-1",
                    line_number="0522000001",
                    city="Fès",
                ),
            ),
        ),
        skipped=(),
        rejected=(),
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_every_encoding_and_separator_reads_the_same(separator: str, encoding: str) -> None:
    data = csv_of({"city": "Fès"}, separator=separator, encoding=encoding)
    assert read_manifest(data, NAME, LAYOUTS, CASABLANCA) == read({"city": "Fès"})


def test_headings_may_stand_in_another_order_case_and_spacing() -> None:
    shuffled = dict(reversed(ROW.items()))
    data = csv_of(shuffled).decode().replace("numero_de_contact", " NUMÉRO_DE_CONTACT ").encode()
    lines = data.decode().split("\r\n")
    lines[0] = ",".join(reversed(lines[0].split(",")))
    lines[1] = ",".join(reversed(lines[1].split(",")))
    assert read_manifest("\r\n".join(lines).encode(), NAME, LAYOUTS, CASABLANCA) == read({})


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


def test_row_numbers_are_the_spreadsheets_lines() -> None:
    lines = csv_of({"city": '"Fès\r\nMédina"'}, {"numero_de_contact": "?"}).decode().split("\r\n")
    data = "\r\n".join(["", lines[0], "", *lines[1:3], ";;".replace(";", ","), *lines[3:]]).encode()
    manifest = read_manifest(data, NAME, LAYOUTS, CASABLANCA)
    # Line 1 is blank, 2 the headings, 3 blank, 4 an order whose city spans two physical lines, 5 blank, 6 the bad row.
    assert [one.row for one in manifest.orders] == [4]
    assert [one.row for one in manifest.rejected] == [6]
    assert manifest.rows == 2


def test_a_stray_quote_swallows_no_other_row() -> None:
    manifest = read(
        {"inwib2c_order__c": "A", "numero_de_contact": "0611111111", "city": '"Fès'},
        {"inwib2c_order__c": "B", "numero_de_contact": "0622222222"},
        {"inwib2c_order__c": "C", "numero_de_contact": "0633333333", "nd": '"0522'},
        {"inwib2c_order__c": "D", "numero_de_contact": "0644444444"},
    )
    assert [(one.row, one.order.number) for one in manifest.orders] == [(2, "A"), (3, "B"), (4, "C"), (5, "D")]


def test_a_huge_cell_stops_no_other_row() -> None:
    manifest = read({"city": '"' + "x" * 1_000_000}, {"inwib2c_order__c": "B", "numero_de_contact": "0622222222"})
    assert numbers(manifest)[-1] == "B"


def test_a_row_of_another_length_is_unusable_unless_the_rest_is_empty() -> None:
    good, bad = csv_of({}, {}).decode().split("\r\n")[:2]
    data = "\r\n".join([good, bad + ",Rabat", bad + ",,", "CMD-3,OT-3,2026-11-17 09:00:00"]).encode()
    manifest = read_manifest(data, NAME, LAYOUTS, CASABLANCA)
    assert [one.row for one in manifest.orders] == [3]
    assert [(one.row, one.column, one.value) for one in manifest.rejected] == [
        (2, "", "Rabat"),
        (4, "date_last_status", ""),
    ]


def test_a_long_manifest_says_every_thousand_rows_that_it_goes_on() -> None:
    rows, said = [{"inwib2c_order__c": f"CMD-{number}"} for number in range(2_500)], list[bool]()
    read_manifest(csv_of(*rows), NAME, LAYOUTS, CASABLANCA, None, lambda: said.append(True))
    assert len(said) == 3


def test_a_manifest_without_rows_holds_no_orders() -> None:
    headings = csv_of({}).splitlines()[0]
    assert read_manifest(headings, "CRC_ADSL.csv", LAYOUTS, CASABLANCA) == Manifest(
        "ACQUISITION", "ADSL", None, 0, (), (), ()
    )


def test_a_missing_column_is_named_with_what_is_expected() -> None:
    data = csv_of({}).replace(b"numero_de_contact", b"telephone")
    with pytest.raises(
        UnreadableManifest, match=r"CRC_ADSL_2026-11-18.csv: the column 'numero_de_contact' is missing"
    ) as caught:
        read_manifest(data, NAME, LAYOUTS, CASABLANCA)
    assert caught.value.column == "numero_de_contact"
    assert "statut_commande" in str(caught.value)


def test_a_column_that_stands_twice_is_named() -> None:
    data = csv_of({}).replace(b"city", b"Date_Commande")
    with pytest.raises(UnreadableManifest, match="'date_commande' stands twice"):
        read_manifest(data, NAME, LAYOUTS, CASABLANCA)


@pytest.mark.parametrize("name", ["CRC_FIBRE.csv", "crc_adsl/orders.csv"])
def test_a_name_of_no_known_kind_says_which_there_are(name: str) -> None:
    with pytest.raises(UnreadableManifest, match="contains: crc_adsl"):
        read_manifest(csv_of({}), name, LAYOUTS, CASABLANCA)


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"", "crc_adsl.csv", "empty"),
        (b"\r\n , \r\n", "crc_adsl.csv", "no headings"),
        (b"\x00\x01", "crc_adsl.csv", "not a text"),
        (b"RIFF....WAVE", "crc_adsl.csv", "'inwib2c_order__c' is missing"),
        (b"PK\x03\x04 and no more", "crc_adsl.csv", "not an Excel workbook"),
        (b"a,b,c", "crc_adsl.xlsx", "not an Excel workbook"),
    ],
)
def test_a_file_that_is_no_table_is_unreadable(data: bytes, name: str, said: str) -> None:
    with pytest.raises(UnreadableManifest, match=said) as caught:
        read_manifest(data, name, LAYOUTS, CASABLANCA)
    assert caught.value.file == name


def test_a_workbook_reads_like_the_same_csv() -> None:
    as_cells: dict[str, Cell] = {
        **ROW,
        "numero_de_contact": 612345678.0,
        "date_commande": (46343.375,),
        "date_last_status": (46344.75,),
    }
    data = workbook([[], list(ROW), list(as_cells.values())])
    manifest = read_manifest(data, "CRC_ADSL_2026-11-18.xlsx", LAYOUTS, CASABLANCA)
    assert [one.row for one in manifest.orders] == [3]
    assert manifest.orders[0].order == read({}).orders[0].order


def test_a_date_cell_without_a_time_is_a_date_alone() -> None:
    cells: dict[str, Cell] = {**ROW, "date_last_status": (46344,)}
    data = workbook([list(ROW), list(cells.values())])
    [one] = read_manifest(data, "CRC_ADSL_2026-11-18.xlsx", LAYOUTS, CASABLANCA).orders
    assert one.order.suspended_at_ms == utc_ms(18, 22, 59, 59)


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


def test_another_operator_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "layouts.yaml"
    path.write_text(
        """
        layouts:
          - file_name: tickets
            kind: ACQUISITION
            category: VULA
            columns: {number: id, client_number: tel, ordered_at: cree, suspended_at: clos, motif: raison, status: etat}
            statuses: [clos]
            motifs: [{outcome: 3, written: [pas de réponse, nrp]}]
        """
    )
    data = b"id;tel;cree;clos;raison;etat\n7;0612345678;17/11/2026;18/11/2026;NRP;CLOS\n"
    [one] = read_manifest(data, "tickets.csv", load_layouts(path), CASABLANCA).orders
    assert (one.order.number, one.order.category, one.order.motif_outcome) == ("7", "VULA", 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layouts: []", "layouts"),
        ("layouts: {", "layouts.yaml"),
        (DEFAULT_LAYOUTS.read_text().replace("outcome: 3", "outcome: 9"), "less than or equal to 7"),
        (DEFAULT_LAYOUTS.read_text().replace("kind:", "type:"), "type"),
        (DEFAULT_LAYOUTS.read_text().replace("[client reporte rdv]", "[Client Injoignable]"), "motif written twice"),
    ],
)
def test_a_wrong_layout_file_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "layouts.yaml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=said) as caught:
        load_layouts(path)
    assert str(path) in str(caught.value)


def workbook(rows: Sequence[Sequence[Cell]]) -> bytes:
    """A minimal .xlsx of one sheet."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"

    def cell(reference: str, value: Cell) -> str:
        if isinstance(value, str):
            return f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'
        style, number = (1, value[0]) if isinstance(value, tuple) else (0, value)
        return f'<c r="{reference}" s="{style}"><v>{number!r}</v></c>'

    lines = "".join(
        f'<row r="{line}">{"".join(cell(f"{chr(65 + column)}{line}", value) for column, value in enumerate(row))}</row>'
        for line, row in enumerate(rows, start=1)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Feuil1" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
        "</styleSheet>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()

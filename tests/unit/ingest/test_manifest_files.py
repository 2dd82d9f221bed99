"""Manifests in every form in which the files arrive: encodings, quotes, columns, workbooks, layouts."""

from pathlib import Path

import pytest

from ringtrue.errors import Misconfigured
from ringtrue.manifests.layouts import DEFAULT_LAYOUTS, load_layouts
from ringtrue.manifests.manifest import Manifest, UnreadableManifest, read_manifest
from tests.unit.ingest.manifests import CASABLANCA, LAYOUTS, NAME, ROW, Cell, csv_of, numbers, read, utc_ms, workbook


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


def test_row_numbers_are_the_spreadsheets_lines() -> None:
    lines = csv_of({"city": '"Fès\r\nMédina"'}, {"numero_de_contact": "?"}).decode().split("\r\n")
    data = "\r\n".join(["", lines[0], "", *lines[1:3], ";;".replace(";", ","), *lines[3:]]).encode()
    manifest = read_manifest(data, NAME, LAYOUTS, CASABLANCA)
    # Line 1 is blank, 2 the headings, 3 blank, 4 an order whose city spans two physical lines, 5 blank, 6 the bad row.
    assert [one.row for one in manifest.orders] == [4]
    assert [one.row for one in manifest.rejected] == [6]
    assert manifest.rows == 2


def test_a_stray_quote_that_another_one_in_the_same_column_closes_swallows_no_row_either() -> None:
    rows = [{"inwib2c_order__c": f"CMD-{n}", "numero_de_contact": f"061234567{n}", "city": f"C{n}"} for n in (1, 2, 3)]
    rows[0]["nd"] = '"urgent'
    rows[1]["nd"] = '"0522000002'
    data = csv_of(*rows, separator=";")
    for changed in (data, data.replace(b'"0522000002', b'"0522000002"')):
        manifest = read_manifest(changed, NAME, LAYOUTS, CASABLANCA)
        told = [(one.row, one.order.number, one.order.city) for one in manifest.orders]
        assert told == [(2, "CMD-1", "C1"), (3, "CMD-2", "C2"), (4, "CMD-3", "C3")]


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
        UnreadableManifest, match=r"CRC_ADSL_2026-11-18.csv, row 1: the column 'numero_de_contact' is missing"
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
        (b"\r\n  \r\n", "crc_adsl.csv", "no headings"),
        (b"\r\n , \r\n", "crc_adsl.csv", "'inwib2c_order__c' is missing"),
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

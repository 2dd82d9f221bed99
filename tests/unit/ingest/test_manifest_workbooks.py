"""Manifests that are workbooks: which sheet is read, what stands above the headings, what cells hold."""

from dataclasses import replace

import pytest

from ringtrue.manifests.manifest import Manifest, UnreadableManifest, read_manifest
from tests.unit.ingest.manifests import (
    CASABLANCA,
    COMMENT,
    LAYOUTS,
    RECYCLED,
    ROW,
    SAV_ROW,
    SENT,
    VULA_ROW,
    Cell,
    numbers,
    read,
    read_sav,
    utc_ms,
    workbook,
    workbook_of,
)

NAME = "CRC_ADSL_2026-11-18.xlsx"
TABLE: list[list[Cell]] = [list(ROW), list(ROW.values())]
NOTES: list[list[Cell]] = [["Légende"], ["city", "Fès"]]


def opened(data: bytes, name: str = NAME) -> Manifest:
    return read_manifest(data, name, LAYOUTS, CASABLANCA)


@pytest.mark.parametrize("first", [True, False])
def test_the_sheet_that_holds_the_headings_is_read_wherever_it_stands(first: bool) -> None:
    sheets = {"Données": TABLE, "Notes": NOTES} if first else {"Notes": NOTES, "Vide": [], "Données": TABLE}
    manifest = opened(workbook_of(sheets))
    assert manifest.sheet == "Données"
    assert [one.order for one in manifest.orders] == [one.order for one in read({}).orders]


def test_a_sheet_of_headings_alone_gives_way_to_one_with_rows() -> None:
    assert opened(workbook_of({"Modèle": TABLE[:1], "Export": TABLE})).sheet == "Export"


def test_a_hidden_copy_is_passed_over_and_a_hidden_sheet_is_read_when_there_is_no_other() -> None:
    assert opened(workbook_of({"Copie": TABLE, "Export": TABLE}, hidden=["Copie"])).sheet == "Export"
    assert opened(workbook_of({"Notes": NOTES, "Export": TABLE}, hidden=["Export"])).sheet == "Export"


def test_two_sheets_of_orders_are_refused_rather_than_one_of_them_lost() -> None:
    with pytest.raises(UnreadableManifest, match="sheets 'Matin' and 'Soir' both hold orders") as caught:
        opened(workbook_of({"Matin": TABLE, "Soir": TABLE}))
    assert caught.value.sheet == "Soir"


def test_a_missing_column_is_named_with_the_sheet_that_comes_nearest_and_the_row_of_its_headings() -> None:
    table: list[list[Cell]] = [["Export"], [heading for heading in ROW if heading != "date_commande"]]
    with pytest.raises(UnreadableManifest, match="xlsx, sheet 'Export', row 2: the column 'date_commande'") as caught:
        opened(workbook_of({"Notes": NOTES, "Export": table}))
    assert (caught.value.sheet, caught.value.row, caught.value.column) == ("Export", 2, "date_commande")


def test_a_column_that_stands_twice_is_named_with_its_sheet_and_row() -> None:
    table: list[list[Cell]] = [[], [*ROW, "NUMÉRO_de_contact"], [*ROW.values(), "0611111111"]]
    with pytest.raises(UnreadableManifest, match="sheet 'Feuil1', row 2: the column 'numero_de_contact' stands twice"):
        opened(workbook(table))


def test_a_column_that_is_not_read_may_stand_twice() -> None:
    assert numbers(opened(workbook([[*ROW, "x", "X"], [*ROW.values(), "1", "2"]]))) == ["CMD-1"]


def test_merged_title_rows_and_an_empty_margin_stand_above_and_before_the_headings() -> None:
    rows: list[list[Cell]] = [["Suspensions du 18/11/2026"], [], ["", "Centre", "city"], [], *(["", *r] for r in TABLE)]
    manifest = opened(workbook(rows))
    assert [(one.row, one.order) for one in manifest.orders] == [(6, read({}).orders[0].order)]


def test_headings_below_the_first_thirty_filled_rows_are_not_looked_for() -> None:
    titles: list[list[Cell]] = [["titre"]] * 29
    assert [one.row for one in opened(workbook([*titles, *TABLE])).orders] == [31]
    with pytest.raises(UnreadableManifest, match="row 1: the column 'inwib2c_order__c' is missing"):
        opened(workbook([["titre"], *titles, *TABLE]))


def test_headings_have_line_breaks_and_other_cases_and_stand_in_any_order() -> None:
    headings: list[Cell] = [
        heading.upper().replace(" ", "\n", 1).replace("É", "e") for heading in reversed(list(SAV_ROW))
    ]
    manifest = opened(workbook([headings, list(reversed(list(SAV_ROW.values())))]), "sav_2026-11-18.xlsx")
    assert [one.order for one in manifest.orders] == [one.order for one in read_sav({}).orders]


@pytest.mark.parametrize(
    "number",
    [612345678.0, 612345678, "6.12345678E+08", "612345678", "06.12.34.56.78", 212612345678.0],
)
def test_numbers_that_became_numbers_are_the_same_client(number: Cell) -> None:
    cells: dict[str, Cell] = {**VULA_ROW, "inwib2c_numerocontact__c": number}
    [one] = opened(workbook([list(cells), list(cells.values())]), "crc_vula_2026-11-18.xlsx").orders
    assert one.order.client_number == "212612345678"


@pytest.mark.parametrize("moment", [(46344.75,), 46344.75, "46344.75", "18/11/2026 18:00", "2026-11-18 18:00:00"])
def test_dates_are_date_cells_serials_or_texts(moment: Cell) -> None:
    cells: dict[str, Cell] = {**SAV_ROW, "Date suspension": moment, RECYCLED: (46344.5,), SENT: 46343}
    [one] = opened(workbook([list(cells), list(cells.values())]), "sav_2026-11-18.xlsx").orders
    order = one.order
    assert (order.suspended_at_ms, order.window_start_ms) == (utc_ms(18, 17), utc_ms(18, 11))
    assert order.ordered_at_ms == utc_ms(16, 23)


@pytest.mark.parametrize("comment", [612345678.0, "contact\n06 12 34 56 78"])
def test_a_comment_may_be_a_number_or_have_line_breaks(comment: Cell) -> None:
    cells: dict[str, Cell] = {**SAV_ROW, COMMENT: comment}
    [one] = opened(workbook([list(cells), list(cells.values())]), "sav_2026-11-18.xlsx").orders
    assert one.order == replace(read_sav({}).orders[0].order, name=None)


def test_without_a_day_in_its_name_a_workbook_is_of_the_day_of_most_rows() -> None:
    rows: list[list[Cell]] = [list(ROW)]
    for number, day in enumerate(["17", "17", "18"]):
        changed = {"inwib2c_order__c": f"CMD-{number}", "numero_de_contact": f"061111111{number}"}
        rows.append(list({**ROW, **changed, "date_last_status": f"2026-11-{day} 18:00:00"}.values()))
    rows[1][rows[0].index("date_commande")] = "2026-11-16"
    rows[2][rows[0].index("date_commande")] = "2026-11-16"
    manifest = opened(workbook(rows), "crc_adsl.xlsx")
    assert numbers(manifest) == ["CMD-0", "CMD-1"]
    assert [one.row for one in manifest.skipped] == [4]


def test_a_workbook_is_known_by_its_bytes_whatever_its_name_says() -> None:
    assert numbers(opened(workbook(TABLE), "crc_adsl_2026-11-18.csv")) == ["CMD-1"]


def test_whoever_waits_for_a_workbook_is_told_that_it_goes_on() -> None:
    said = list[bool]()
    read_manifest(workbook(TABLE), NAME, LAYOUTS, CASABLANCA, None, lambda: said.append(True))
    assert len(said) >= 2

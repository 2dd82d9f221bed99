"""What a spreadsheet makes of the Excel reports: read back with another library than the one that wrote them."""

import re
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from python_calamine import CalamineWorkbook
from xlsxwriter import Workbook

from ringtrue.database import reading
from ringtrue.database.tables import verdicts
from ringtrue.outcomes import Language
from ringtrue.results.cases import count_cases
from services.archive import xlsx_sheet
from services.archive.cells import Cell, Print
from services.archive.files import write_reports
from services.archive.layouts import Column, Report
from services.archive.reports import Row, find_batches, read_rows
from services.archive.xlsx_file import XlsxFile
from services.archive.xlsx_rows import link, write_row
from services.archive.xlsx_sheet import Sheets, make_styles
from tests.unit.archive import made
from tests.unit.archive.made import attempt, finding, store

ENDING = "ACQUISITION_ADSL_2026-11-18"
Grid = list[list[Any]]


@pytest.fixture
def judged(engine: sa.Engine) -> sa.Engine:
    """Three orders: one refused for its rings, one accepted, one that waits; and a call that was heard."""
    tried = tuple(attempt(f"recordings/{name}", f"2026-11-18 {hour}:00") for name, hour in (("a", "09"), ("b", "11")))
    rung = finding("rings", "failed", "recordings/a", "recordings/b", reason="too_few_rings")
    none = finding("attempts", "failed", reason="no_call_found")
    two, three = made.order("C-2", city="Rabat"), made.order("C-3", city=None)
    store(engine, made.manifest(), made.row(), made.row(two, 3), made.row(three, 4))
    store(engine, made.registered(), made.transcribed(), made.classified(), made.registered("recordings/b"))
    store(engine, made.verdict(said="non_compliant", attempts=tried, findings=(rung, none), comment="Moins de 5"))
    passed, odd = finding("branch", "passed", "recordings/a"), finding("same_audio", "failed", "recordings/b")
    store(engine, made.verdict(two, findings=(passed,), warnings=(odd,), attempts=tried[:1]))
    store(engine, made.current(three, 4))
    return engine


def write(engine: sa.Engine, folder: Path, language: Language = "fr") -> dict[str, Path]:
    printed = Print(made.ZONE, language)
    with reading(engine) as connection:
        (batch,) = find_batches(connection)
        chunks = (chunk for _, chunk in read_rows(connection, batch, printed))
        files = write_reports(batch.reports, chunks, folder, {"xlsx": partial(XlsxFile, language=language)})
    return {file.path.stem: file.path for file in files}


def sheets(path: Path) -> dict[str, Grid]:
    workbook = CalamineWorkbook.from_path(str(path))
    return {name: workbook.get_sheet_by_name(name).to_python() for name in workbook.sheet_names}


def markup(path: Path, part: str = "xl/worksheets/sheet1.xml") -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(part).decode()


def table(*rows: tuple[Cell, ...], path: Path, about: Any = "orders") -> Path:
    report = Report("r", tuple(Column(f"h{place}", str) for place in range(len(rows[0]))), about)
    chunks = iter([{"r": [Row(row) for row in rows]}])
    (file,) = write_reports([report], chunks, path, {"xlsx": partial(XlsxFile, language="fr")})
    return file.path


def test_a_report_comes_with_a_summary_and_its_evidence_and_companions_stand_alone(
    judged: sa.Engine, tmp_path: Path
) -> None:
    files = write(judged, tmp_path)
    assert list(sheets(files[ENDING])) == ["Rapport", "Synthèse", "Preuves"]
    assert len(files) == 5
    for name, path in files.items():
        assert name == ENDING or list(sheets(path)) == ["Rapport"]


def test_numbers_are_numbers_and_numbers_of_phones_and_orders_are_texts(judged: sa.Engine, tmp_path: Path) -> None:
    files = write(judged, tmp_path)
    headings, first, *_ = sheets(files[ENDING])["Rapport"]
    row = dict(zip(headings, first, strict=True))
    assert (row["Numero_de_contact"], row["nd"], row["N° de commande"]) == ("212600000001", "0522000001", "C-1")
    assert (row["Nbr_tentatives_appel"], row["Nb_tonnalite"], row["Conformité_IAM"]) == (2, 5, "Non conforme")
    headings, first, *_ = sheets(files[f"ingestion_output_{ENDING}"])["Rapport"]
    heard = dict(zip(headings, first, strict=True))
    assert (heard["duree_s"], heard["Nb_tonnalite"], heard["confiance_tonalites"]) == (30.5, 5, 0.97)


def test_the_numbers_are_those_of_the_database(judged: sa.Engine, tmp_path: Path) -> None:
    read = sheets(write(judged, tmp_path)[ENDING])
    headings, *rows = read["Rapport"]
    shown = {row["N° de commande"]: row for row in (dict(zip(headings, row, strict=True)) for row in rows)}
    with reading(judged) as connection:
        stored = connection.execute(sa.select(verdicts)).all()
        counts = count_cases(connection)
    assert stored
    for verdict in stored:
        row = shown[verdict.order_number]
        assert row["Nbr_tentatives_appel"] == len(verdict.attempts)
        assert row["Nb_tonnalite"] == verdict.attempts[-1]["ring_count"]
    (total,) = [row for row in read["Synthèse"] if row[0] == "Total"]
    named = ("compliant", "non_compliant", "to_review", "pending")
    assert total[2:] == [sum(counts.values()), *(counts.get(verdict, 0) for verdict in named)]
    findings = [one for verdict in stored for one in (*verdict.findings, *(verdict.warnings or ()))]
    evidence = [item for one in findings for item in one["evidence"]]
    assert len([row for row in read["Preuves"][1:] if row[3]]) == len(evidence)


def test_the_evidence_names_rule_result_call_seconds_and_fact(judged: sa.Engine, tmp_path: Path) -> None:
    assert sheets(write(judged, tmp_path)[ENDING])["Preuves"] == [
        ["N° de commande", "Règle", "Résultat", "Appel", "De (s)", "À (s)", "Fait"],
        ["C-1", "rings", "Non conforme", "recordings/a", 1, 20.25, "5 tonalité(s)"],
        ["C-1", "rings", "Non conforme", "recordings/b", 1, 20.25, "5 tonalité(s)"],
        ["C-1", "attempts", "Non conforme", "", "", "", "attempts failed"],
        ["C-2", "branch", "Conforme", "recordings/a", 1, 20.25, "5 tonalité(s)"],
        ["C-2", "same_audio", "Alerte", "recordings/b", 1, 20.25, "5 tonalité(s)"],
    ]


def test_a_verdict_leads_to_its_evidence_and_one_without_leads_nowhere(judged: sa.Engine, tmp_path: Path) -> None:
    links = markup(write(judged, tmp_path)[ENDING]).partition("<hyperlinks>")[2]
    assert 'ref="P2" location="\'Preuves\'!A2"' in links
    assert 'ref="P3" location="\'Preuves\'!A5"' in links
    assert "P4" not in links


def test_the_summary_counts_by_verdict_motif_branch_technician_and_city(judged: sa.Engine, tmp_path: Path) -> None:
    assert sheets(write(judged, tmp_path)[ENDING])["Synthèse"] == [
        ["Par", "Valeur", "Total", "Conforme", "Non conforme", "À vérifier", "En attente"],
        ["Total", "", 3, 1, 1, 0, 1],
        ["Conformité", "Conforme", 1, 1, 0, 0, 0],
        ["Conformité", "En attente", 1, 0, 0, 0, 1],
        ["Conformité", "Non conforme", 1, 0, 1, 0, 0],
        ["Motif", "Client injoignable", 3, 1, 1, 0, 1],
        ["Branche du dernier appel", "ADSL_INSTALL", 2, 1, 1, 0, 0],
        ["Branche du dernier appel", "(aucun)", 1, 0, 0, 0, 1],
        ["Technicien du dernier appel", "212600000099", 2, 1, 1, 0, 0],
        ["Technicien du dernier appel", "(aucun)", 1, 0, 0, 0, 1],
        ["Ville", "(aucun)", 1, 0, 0, 0, 1],
        ["Ville", "Fès", 1, 0, 1, 0, 0],
        ["Ville", "Rabat", 1, 1, 0, 0, 0],
    ]


def test_it_speaks_english_when_told_so(judged: sa.Engine, tmp_path: Path) -> None:
    read = sheets(write(judged, tmp_path, "en")[ENDING])
    assert list(read) == ["Report", "Summary", "Evidence"]
    assert read["Report"][0][0] == "File_date"
    assert [row[15] for row in read["Report"][1:]] == ["Not compliant", "Compliant", ""]
    assert read["Summary"][0] == ["By", "Value", "Total", "Compliant", "Not compliant", "To be reviewed", "Waiting"]
    assert read["Evidence"][1][:4] == ["C-1", "rings", "Not compliant", "recordings/a"]


def test_the_headings_stay_and_filter_and_results_have_colours(judged: sa.Engine, tmp_path: Path) -> None:
    path = write(judged, tmp_path)[ENDING]
    sheet, styles = markup(path), markup(path, "xl/styles.xml")
    assert 'state="frozen"' in sheet
    assert '<autoFilter ref="A1:Q4"/>' in sheet
    assert 'numberStoredAsText="1"' in sheet
    assert "C6EFCE" in styles
    assert "FFC7CE" in styles


def test_each_result_has_a_colour_of_its_own_and_a_number_of_too_few_attempts_that_of_a_failed_one(
    tmp_path: Path,
) -> None:
    report = Report("r", (Column("NC Appel", str, "result"), Column("ville", str)), "orders")
    cells = ("Conforme", "Non conforme", "À vérifier", 2, "Autre")
    chunks = iter([{"r": [Row((cell, cell)) for cell in cells]}])
    (file,) = write_reports([report], chunks, tmp_path, {"xlsx": partial(XlsxFile, language="fr")})
    styled = dict(re.findall(r'<c r="([AB]\d)"(?: s="(\d+)")?', markup(file.path)))
    results = [styled[f"A{row}"] for row in range(2, 7)]
    assert len({*results[:3], results[4]}) == 4
    assert styled["B2"] == styled["B3"] == results[4]
    fills = re.findall(r'<fgColor rgb="FF(\w+)"', markup(file.path, "xl/styles.xml"))
    assert {"C6EFCE", "FFC7CE", "FFEB9C"} <= set(fills)
    assert results[3] not in ("", results[4])


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(tmp_path: Path, begin: str) -> None:
    path = table((f"{begin}1+1", f"x{begin}", -1), path=tmp_path)
    assert sheets(path)["Rapport"][1] == [f"'{begin}1+1", f"x{begin}", -1]
    assert "<f>" not in markup(path)


@pytest.mark.parametrize(
    "text", ["a & b < c > \"d\" 'e'", " spaces ", "آلو oui", "two\nlines", "_x0041_", "\x1b[31m", "😀"]
)
def test_every_text_is_read_as_it_was(tmp_path: Path, text: str) -> None:
    assert sheets(table((text, "end"), path=tmp_path))["Rapport"][1] == [text, "end"]


def test_a_text_that_is_markup_to_the_library_stays_text(tmp_path: Path) -> None:
    text = "<r><t>not mine</t></r>"
    assert sheets(table((text, "end"), path=tmp_path))["Rapport"][1] == [f"'{text}", "end"]


def test_a_row_written_at_once_is_what_the_library_writes_cell_by_cell(tmp_path: Path) -> None:
    texts = ("Fès & <b>", " before", "after\n", "آلو", "_x0041_", "\x1b\ufffe", "\"quoted'", "212600000001")
    rows: tuple[tuple[str | int | float, ...], ...] = (texts, (0, -1, 20.25, 0.1, 1e-9, 12_345_678_901.5), ("after",))

    def write_all(name: str, *, at_once: bool) -> str:
        path = tmp_path / name
        with Workbook(str(path), {"constant_memory": True}) as workbook:
            sheet, style = workbook.add_worksheet(), workbook.add_format({"num_format": "@"})
            sheet.write_string(0, 0, "heading")
            for row, cells in enumerate(rows, 1):
                placed = [(column, cell, style if column % 2 else None) for column, cell in enumerate(cells)]
                if at_once:
                    link(sheet, row, 0, "internal:'Sheet1'!A2", str(cells[0]))
                    write_row(sheet, row, [(0, str(cells[0]), style), *placed[1:]])
                    continue
                sheet.write_url(row, 0, "internal:'Sheet1'!A2", style, str(cells[0]))
                for column, cell, of_cell in placed[1:]:
                    (sheet.write_string if isinstance(cell, str) else sheet.write_number)(row, column, cell, of_cell)
            sheet.write_string(len(rows) + 1, 9, "last, cell by cell again")
        return markup(path)

    assert write_all("at-once.xlsx", at_once=True) == write_all("by-cell.xlsx", at_once=False)


def test_a_text_longer_than_a_cell_is_cut_and_says_so(tmp_path: Path) -> None:
    (cell, _) = sheets(table(("a" * 40_000, "end"), path=tmp_path))["Rapport"][1]
    assert cell == "a" * 32_766 + "…"


def test_the_same_rows_give_the_same_bytes_and_the_newest_verdict_is_the_date(
    judged: sa.Engine, tmp_path: Path
) -> None:
    first, second = write(judged, tmp_path / "1"), write(judged, tmp_path / "2")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes()
    assert ">2026-11-18T23:30:00Z</dcterms:created>" in markup(first[ENDING], "docProps/core.xml")


def test_a_manifest_without_orders_has_its_workbooks_too(engine: sa.Engine, tmp_path: Path) -> None:
    store(engine, made.manifest())
    files = write(engine, tmp_path)
    assert [len(sheets(path)["Rapport"]) for path in files.values()] == [1] * 5


def test_a_table_goes_on_on_another_sheet_when_one_is_full(tmp_path: Path) -> None:
    path = tmp_path / "full.xlsx"
    with Workbook(str(path), {"constant_memory": True}) as workbook:
        made_sheets = Sheets(workbook, "Preuves", ("n",), make_styles(workbook, "fr"), max_rows=3)
        places = list[str]()
        for number in range(5):
            places.append(made_sheets.place)
            made_sheets.add((number,))
        made_sheets.finish()
    assert sheets(path) == {
        "Preuves": [["n"], [0], [1]],
        "Preuves 2": [["n"], [2], [3]],
        "Preuves 3": [["n"], [4]],
    }
    assert places == [
        "internal:'Preuves'!A2",
        "internal:'Preuves'!A3",
        "internal:'Preuves 2'!A2",
        "internal:'Preuves 2'!A3",
        "internal:'Preuves 3'!A2",
    ]


def test_rows_beyond_the_links_that_a_sheet_may_have_go_without(
    judged: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx_sheet, "MAX_LINKS", 1)
    path = write(judged, tmp_path)[ENDING]
    assert markup(path).count("<hyperlink ") == 1
    assert [row[15] for row in sheets(path)["Rapport"][1:]] == ["Non conforme", "Conforme", ""]


def test_a_workbook_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, list[Row]]]:
        yield {"r": [Row(("half",))]}
        raise RuntimeError("the database is away")

    report = Report("r", (Column("h", str),), "orders")
    with pytest.raises(RuntimeError, match="away"):
        write_reports([report], broken(), tmp_path, {"xlsx": partial(XlsxFile, language="fr")})
    assert list(tmp_path.iterdir()) == []

"""Which files a manifest gives, and what a spreadsheet makes of the CSV ones."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.database import reading
from ringtrue.errors import WrongUse
from services.archive import reports as reading_reports
from services.archive.cells import Cell, Print
from services.archive.csv_file import CsvFile, CsvForm
from services.archive.files import write_reports
from services.archive.layouts import Column, Report
from services.archive.reports import Row, find_batches, read_rows
from tests.unit.archive import made
from tests.unit.archive.made import at, store

FRENCH = CsvForm()
ENDING = "ACQUISITION_ADSL_2026-11-18"


@dataclass(frozen=True, slots=True)
class Table:
    """A report with all its rows."""

    headings: list[str]
    rows: list[tuple[Cell, ...]]


def reports(engine: sa.Engine, **chosen: str) -> dict[str, Table]:
    printed = Print(made.ZONE, "fr")
    found = dict[str, Table]()
    with reading(engine) as connection:
        for batch in find_batches(connection, **chosen):
            rows = defaultdict[str, list[tuple[Cell, ...]]](list)
            for _, chunk in read_rows(connection, batch, printed):
                for name, read in chunk.items():
                    rows[name] += [row.cells for row in read]
            for report in batch.reports:
                found[report.name] = Table([column.heading for column in report.columns], rows[report.name])
    return found


def column(report: Table, heading: str) -> list[Cell]:
    place = report.headings.index(heading)
    return [row[place] for row in report.rows]


def test_a_manifest_gives_its_report_and_four_companions(engine: sa.Engine) -> None:
    store(engine, made.manifest(), made.row(), made.current(), made.verdict())
    assert set(reports(engine)) == {
        ENDING,
        *(f"{name}_{ENDING}" for name in ("result", "initial", "assembler_output", "ingestion_output")),
    }


def test_rows_stand_in_the_manifests_order(engine: sa.Engine) -> None:
    store(engine, made.manifest())
    for line, number in [(11, "C-2"), (2, "C-3"), (7, "C-1")]:
        order = made.order(number)
        store(engine, made.row(order, line), made.verdict(order))
    assert column(reports(engine)[ENDING], "N° de commande") == ["C-3", "C-1", "C-2"]
    assert column(reports(engine)[f"result_{ENDING}"], "numero_commande") == ["C-3", "C-1", "C-2"]


def test_a_case_stands_in_the_report_of_each_manifest_that_holds_it(engine: sa.Engine) -> None:
    later = "recordings/manifests/crc_adsl_again.csv"
    store(engine, made.manifest(), made.manifest(later), made.row(), made.row(manifest=later), made.verdict())
    for key in (made.MANIFEST, later):
        assert column(reports(engine, manifest=key)[ENDING], "N° de commande") == ["C-1"]
    assert column(reports(engine)[ENDING], "N° de commande") == ["C-1"]


def test_manifests_of_one_day_share_a_report_one_after_the_other(engine: sa.Engine) -> None:
    second = "recordings/manifests/crc_adsl_b.csv"
    one, two, three = (made.order(f"C-{n}") for n in (1, 2, 3))
    store(engine, made.manifest(), made.manifest(second), made.verdict(one), made.verdict(two), made.verdict(three))
    store(engine, made.row(two, 9), made.row(three, 3), made.row(one, 2, second), made.row(two, 3, second))
    assert column(reports(engine)[ENDING], "N° de commande") == ["C-3", "C-2", "C-1"]


def test_a_withdrawn_case_is_in_no_report(engine: sa.Engine) -> None:
    store(engine, made.manifest(), made.row(), made.verdict())
    store(engine, made.row(revision=2, status="withdrawn", order=None, order_number="C-1"))
    assert reports(engine)[ENDING].rows == []


def test_reports_can_be_had_of_one_day_or_one_manifest(engine: sa.Engine) -> None:
    other = "recordings/manifests/crc_adsl_2026-11-19.csv"
    store(engine, made.manifest(), made.manifest(other, day="2026-11-19"))
    assert {name[-10:] for name in reports(engine)} == {"2026-11-18", "2026-11-19"}
    assert {name[-10:] for name in reports(engine, day="2026-11-19")} == {"2026-11-19"}
    assert {name[-10:] for name in reports(engine, manifest=other)} == {"2026-11-19"}
    assert {name[-10:] for name in reports(engine, manifest=other.partition("/")[2])} == {"2026-11-19"}
    assert reports(engine, manifest="crc_adsl_2026-11-19.csv") == {}


@pytest.mark.parametrize(
    "prefix", ["recordings/manifests/crc_adsl_2026-11-19", "manifests/crc_adsl_2026-11-19", "crc_adsl_2026-11-19"]
)
def test_reports_can_be_had_of_the_manifests_whose_name_begins_so(engine: sa.Engine, prefix: str) -> None:
    other = "recordings/manifests/crc_adsl_2026-11-19.csv"
    store(engine, made.manifest(), made.manifest(other, day="2026-11-19"))
    assert {name[-10:] for name in reports(engine, prefix=prefix)} == {"2026-11-19"}
    assert len(reports(engine, prefix="recordings/manifests/")) == 10
    assert reports(engine, prefix="adsl") == {}


def test_a_sav_manifest_gives_the_reports_of_adsl_and_vula_apart(engine: sa.Engine) -> None:
    sav = made.MANIFEST.replace("crc_adsl", "sav")
    store(engine, made.manifest(sav, kind="SAV", category=""))
    for line, category in ((2, "VULA"), (3, "ADSL"), (4, "VULA")):
        order = made.order(f"S-{line}", kind="SAV", category=category, work_order=f"W-{line}")
        store(engine, made.row(order, line, sav), made.verdict(order))
    found = reports(engine)
    assert len(found) == 10
    assert column(found["SAV_ADSL_2026-11-18"], "Number IAM") == ["W-3"]
    assert column(found["SAV_VULA_2026-11-18"], "Number IAM") == ["W-2", "W-4"]
    assert column(found["result_SAV_VULA_2026-11-18"], "numero_commande") == ["S-2", "S-4"]


def test_rows_are_the_same_however_many_are_read_at_once(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store(engine, made.manifest(), made.registered(), made.classified())
    for line in range(2, 9):
        order = made.order(f"C-{line}")
        store(engine, made.row(order, line), made.verdict(order))
    at_once = reports(engine)
    monkeypatch.setattr(reading_reports, "_CHUNK", 3)
    assert reports(engine) == at_once
    assert len(at_once[ENDING].rows) == 7
    assert len(at_once[f"assembler_output_{ENDING}"].rows) == 1


def test_a_manifest_that_could_not_be_read_gives_none(engine: sa.Engine) -> None:
    store(engine, made.manifest(status="failed", kind="", category="", day=""))
    assert reports(engine) == {}


def test_initial_shows_what_registration_alone_shows(engine: sa.Engine) -> None:
    store(engine, made.manifest(), made.row(), made.current())
    calls = {"b": "2026-11-18 11:00", "a": "2026-11-17 10:00", "end": "2026-11-18 16:00"}
    outside = {"before": "2026-11-17 09:59:59", "after": "2026-11-18 16:00:01"}
    for name, start in (calls | outside).items():
        store(engine, made.registered(f"recordings/{name}", started_at_ms=at(start)))
    store(engine, made.registered("recordings/other", client_number="212600000002"))
    store(engine, made.registered("recordings/undated", started_at_ms=None))
    report = reports(engine)[f"initial_{ENDING}"]
    assert column(report, "Nbr_tentatives_appel") == [3]
    assert column(report, "dates_appels") == ["2026-11-17 10:00:00, 2026-11-18 11:00:00, 2026-11-18 16:00:00"]
    assert column(report, "branches_appels") == ["ADSL_INSTALL, ADSL_INSTALL, ADSL_INSTALL"]


def test_one_call_recorded_twice_counts_once_as_the_earliest(engine: sa.Engine) -> None:
    store(engine, made.manifest(), made.row(), made.current())
    for name, start in {"b": "11:00", "a": "11:00", "c": "12:00"}.items():
        store(engine, made.registered(f"recordings/{name}", external_id="X-1", started_at_ms=at(f"2026-11-18 {start}")))
    store(engine, made.registered("recordings/d", external_id="X-2", started_at_ms=at("2026-11-18 13:00")))
    assert column(reports(engine)[f"ingestion_output_{ENDING}"], "call_id") == ["recordings/a", "recordings/d"]


def test_what_was_said_and_heard_is_told_of_each_call_once(engine: sa.Engine) -> None:
    same_client = made.order("C-2")
    store(engine, made.manifest(), made.row(), made.current(), made.row(same_client, 3), made.current(same_client, 3))
    store(engine, made.registered(), made.transcribed(text="allô آلو"), made.classified())
    broken = made.registered("recordings/broken", started_at_ms=at("2026-11-18 10:00"), warnings=("no end",))
    store(engine, broken, made.failed("recordings/broken"))
    said = reports(engine)[f"assembler_output_{ENDING}"]
    assert said.rows[0] == ("recordings/a", made.CLIENT, "2026-11-18 09:00:00", "complete", "ary+fr", "allô آلو")
    assert said.rows[1][3:] == ("failed", "", "")
    heard = reports(engine)[f"ingestion_output_{ENDING}"]
    first = ("recordings/a", "recordings/a.wav", "complete", 30.5, "pcm_mulaw", 5, 0.97, "non", 20.25, 1, 0, "")
    assert heard.rows[0] == first
    assert heard.rows[1][2] == "failed"
    assert heard.rows[1][-1] == "recordings/broken.wav is broken: send it again; no end"
    assert all(len(row) == len(heard.headings) for row in heard.rows)
    assert len(heard.rows) == 2


def test_rows_and_columns_of_every_report_match(engine: sa.Engine) -> None:
    store(engine, made.manifest(), made.row(), made.verdict(), made.registered())
    for report in reports(engine).values():
        assert report.rows
        assert all(len(row) == len(report.headings) for row in report.rows)


def table(*headings: str) -> Report:
    return Report("r", tuple(Column(heading, str) for heading in headings), "orders")


def written(folder: Path, report: Report, *rows: tuple[Cell, ...], form: CsvForm = FRENCH) -> Path:
    chunks = iter([{report.name: [Row(row) for row in rows]}])
    (file,) = write_reports([report], chunks, folder, {"csv": partial(CsvFile, form=form)})
    assert file.rows == len(rows)
    return file.path


def read(path: Path, delimiter: str = ";") -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_the_file_opens_in_a_french_spreadsheet(tmp_path: Path) -> None:
    rows = (("Fès; médina", 3, 12.5), ("", None, 1))
    path = written(tmp_path / "reports", table("ville", "n", "durée"), *rows)
    assert path.name == "r.csv"
    assert path.read_bytes() == '\ufeffville;n;durée\r\n"Fès; médina";3;12,5\r\n;;1\r\n'.encode()
    commas = written(tmp_path, table("ville", "n", "durée"), *rows, form=CsvForm(","))
    assert read(commas, ",")[1] == ["Fès; médina", "3", "12.5"]


def test_the_byte_order_mark_can_be_left_out(tmp_path: Path) -> None:
    assert written(tmp_path, table("ville"), form=CsvForm(mark=False)).read_bytes() == b"ville\r\n"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(tmp_path: Path, begin: str) -> None:
    cells = (f'{begin}HYPERLINK("http://example.invalid")', f"x{begin}", -1)
    assert read(written(tmp_path, table("a", "b", "c"), cells))[1] == [f"'{cells[0]}", cells[1], "-1"]


def test_a_motif_that_is_a_formula_stays_text_all_the_way(engine: sa.Engine, tmp_path: Path) -> None:
    order = replace(made.order(), motif="=1+1", city="@Fès")
    store(engine, made.manifest(), made.row(order), made.verdict(order))
    found = reports(engine)[ENDING]
    row = read(written(tmp_path, table(*found.headings), *found.rows))[1]
    assert (row[6], row[7]) == ("'=1+1", "'@Fès")


def test_an_earlier_report_is_replaced_whole(tmp_path: Path) -> None:
    written(tmp_path, table("a"), *[("long",)] * 100)
    written(tmp_path, table("a"), ("new",))
    assert read(tmp_path / "r.csv") == [["a"], ["new"]]
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_a_report_that_is_not_finished_leaves_the_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, list[Row]]]:
        yield {"r": [Row(("half",))]}
        raise RuntimeError("the database is away")

    written(tmp_path, table("a"), ("whole",))
    with pytest.raises(RuntimeError, match="away"):
        write_reports([table("a")], broken(), tmp_path, {"csv": partial(CsvFile, form=FRENCH)})
    assert read(tmp_path / "r.csv") == [["a"], ["whole"]]
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUse, match="cannot be written"):
        written(tmp_path / "file", table("a"))

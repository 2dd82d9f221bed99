"""Files that are no manifests, or mean harm: an error that says what is wrong, and the others go on."""

import io
import random
import tempfile
import zipfile
from pathlib import Path

import pytest

from ringtrue.errors import Away
from ringtrue.manifests import csv_text, headings, tables
from ringtrue.manifests import workbook as workbooks
from ringtrue.manifests.manifest import UnreadableManifest, read_manifest
from tests.unit.ingest.manifests import (
    CASABLANCA,
    COMMENT,
    LAYOUTS,
    NAME,
    ROW,
    SAV_NAME,
    SAV_ROW,
    Cell,
    csv_of,
    numbers,
    quoted_csv,
    read,
    read_sav,
    workbook,
    workbook_of,
)

XLSX = "CRC_ADSL_2026-11-18.xlsx"
TABLE: list[list[Cell]] = [list(ROW), list(ROW.values())]
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def refused(data: bytes, name: str = XLSX) -> UnreadableManifest:
    with pytest.raises(UnreadableManifest) as caught:
        read_manifest(data, name, LAYOUTS, CASABLANCA)
    assert str(caught.value).startswith(name)
    assert len(str(caught.value)) < 1_000
    return caught.value


def archive(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file.getvalue()


def with_part(name: str, text: str = "") -> bytes:
    return workbook_of({"Feuil1": TABLE}, parts={name: text})


def encrypted(data: bytes) -> bytes:
    """The archive with the flag of encryption set in its directory."""
    changed = bytearray(data)
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (with_part("xl/vbaProject.bin"), "holds macros"),
        (with_part("XL/VBAPROJECT.BIN"), "holds macros"),
        (with_part("xl/macrosheets/sheet1.xml"), "holds macros"),
        (COMPOUND + "_VBA_PROJECT".encode("utf-16-le"), "holds macros"),
        (with_part("xl/externalLinks/externalLink1.xml"), "takes values from other files"),
        (COMPOUND + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (encrypted(workbook(TABLE)), "protected by a password"),
        (archive({"word/document.xml": b"<w/>"}), "an archive of something else"),
        (archive({"xl/none.xml": b"<w/>"}), "not an Excel workbook"),
        (workbook(TABLE)[:-200], "not an Excel workbook"),
        (with_part("xl/worksheets/sheet1.xml", "<worksheet><sheetData><row>"), "Feuil1|not an Excel|no headings"),
        (COMPOUND, "not an Excel workbook"),
        (workbook_of({"Vide": []}), "no headings"),
        (b"%PDF-1.7 \n1 0 obj\n", "not an Excel workbook"),
    ],
)
def test_a_workbook_that_is_none_or_not_to_be_opened_is_refused_with_what_to_do(data: bytes, said: str) -> None:
    assert any(part in str(refused(data)) for part in said.split("|"))


def test_a_link_in_a_cell_is_no_link_to_another_workbook() -> None:
    relations = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"/>'
    data = with_part("xl/worksheets/_rels/sheet1.xml.rels", relations)
    assert numbers(read_manifest(data, XLSX, LAYOUTS, CASABLANCA)) == ["CMD-1"]


def test_a_zip_bomb_is_refused_by_its_directory_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_unpacked", lambda *_: pytest.fail("it was unpacked"))
    message = str(refused(with_part("xl/media/zeros.bin", "0" * 20_000_000)))
    assert "packed beyond what sheets can be: xl/media/zeros.bin would grow" in message
    assert "to 20000000 bytes" in message


def test_what_a_workbook_may_come_to_unpacked_is_bounded_however_well_it_is_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 100_000)
    noise = random.Random(1).randbytes(100_000).hex()
    assert "at most 100000 in 10000 are read" in str(refused(with_part("xl/media/noise.bin", noise)))


def test_an_archive_of_very_many_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_MAX_PARTS", 5)
    assert "in 6 parts" in str(refused(workbook(TABLE)))


def test_a_cell_at_the_far_end_of_a_sheet_does_not_take_the_reader_along() -> None:
    far = f'<worksheet {MAIN}><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576">'
    data = with_part("xl/worksheets/sheet1.xml", far + '<c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>')
    assert "too much memory" in str(refused(data))
    assert numbers(read({})) == ["CMD-1"]


def test_a_text_that_a_million_cells_refer_to_does_not_take_the_reader_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_MEMORY_BYTES", 300_000_000)
    cells = "".join(f'<row r="{line}"><c r="A{line}" t="s"><v>0</v></c></row>' for line in range(1, 50_001))
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{office}/{kind}" Target="{target}.xml"/>'
        for number, (kind, target) in enumerate(
            [("worksheet", "worksheets/sheet1"), ("sharedStrings", "sharedStrings")], start=1
        )
    )
    parts = {
        "xl/sharedStrings.xml": f"<sst {MAIN}><si><t>{'x' * 30_000}</t></si></sst>",
        "xl/worksheets/sheet1.xml": f"<worksheet {MAIN}><sheetData>{cells}</sheetData></worksheet>",
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        f'relationships">{relations}</Relationships>',
    }
    monkeypatch.setattr(workbooks, "_FILE_BYTES", 10_000_000)
    assert "too much memory" in str(refused(workbook_of({"Feuil1": TABLE}, parts=parts)))


def test_a_workbook_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_CPU_SECONDS", 1)
    # Four sheets of twenty million cells, of which two are filled: to look at all of them takes several seconds.
    far = "".join(
        f'<row r="{line}"><c r="{column}{line}"><v>1</v></c></row>' for column, line in (("A", 1), ("T", 10**6))
    )
    sheet = f"<worksheet {MAIN}><sheetData>{far}</sheetData></worksheet>"
    numbers = range(1, 5)
    parts = {f"xl/worksheets/sheet{number}.xml": sheet for number in numbers}
    data = workbook_of({f"Feuil{number}": TABLE for number in numbers}, parts=parts)
    assert "too much time" in str(refused(data))


def test_whoever_stops_waiting_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_manifest(workbook(TABLE), XLSX, LAYOUTS, CASABLANCA, None, stop)


def test_a_temporary_folder_that_cannot_be_used_says_nothing_against_the_manifest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(Away, match="temporary folder"):
        read_manifest(workbook(TABLE), XLSX, LAYOUTS, CASABLANCA)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not a text"),
        ("inwib2c_order__c".encode("utf-16"), "not a text"),
        (b"<html><body>Session expir\xe9e</body></html>", "'inwib2c_order__c' is missing"),
        (b'{"inwib2c_order__c": 1}', "'inwib2c_order__c' is missing"),
        (b'"' * 1001, "'inwib2c_order__c' is missing"),
        (b"\xff\xfe\xfd;\x81", "'inwib2c_order__c' is missing"),
        (b"\xef\xbb\xbf", "no headings"),
    ],
)
def test_a_text_that_is_no_table_of_a_known_layout_is_refused(data: bytes, said: str) -> None:
    assert said in str(refused(data, NAME))


def test_a_line_without_an_end_is_refused_with_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "_LINE_CHARS", 10_000)
    error = refused(csv_of({}) + b"x" * 10_000, NAME)
    assert error.row == 3
    assert "row 3: a line has more than 10000 characters" in str(error)


def test_more_rows_than_the_limit_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headings, "MAX_ROWS", 3)
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    rows = [{"inwib2c_order__c": str(number), "numero_de_contact": f"061111111{number}"} for number in range(4)]
    error = refused(csv_of(*rows), NAME)
    assert error.row == 5
    assert "more than 3 rows; split the manifest" in str(error)
    assert numbers(read(*rows[:3])) == ["0", "1", "2"]


def test_lines_within_cells_are_no_rows_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headings, "MAX_ROWS", 3)
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    assert numbers(read_sav({COMMENT: "contact\n\n\n\n\n0612345678"})) == ["INC-1"]


@pytest.mark.parametrize("column", ["city", "numero_de_contact", "inwib2c_order__c"])
def test_a_row_with_a_cell_of_a_megabyte_is_rejected_with_its_column_and_stops_no_other(column: str) -> None:
    manifest = read({column: "7" * 1_000_000}, {"inwib2c_order__c": "B", "numero_de_contact": "0622222222"})
    assert numbers(manifest) == ["B"]
    [rejected] = manifest.rejected
    assert (rejected.row, rejected.column) == (2, column)
    assert rejected.value == "7" * 200 + "…"
    assert rejected.reason == "the cell holds 1000000 characters; at most 32767 are read"


def test_a_cell_of_a_megabyte_in_a_workbook_rejects_its_row_alone() -> None:
    good = {**ROW, "inwib2c_order__c": "B", "numero_de_contact": "0622222222"}
    rows: list[list[Cell]] = [TABLE[0], list({**ROW, "city": "x" * 1_000_000}.values()), list(good.values())]
    manifest = read_manifest(workbook(rows), XLSX, LAYOUTS, CASABLANCA)
    assert numbers(manifest) == ["B"]
    assert [(one.row, one.column) for one in manifest.rejected] == [(2, "city")]


def test_a_motif_of_many_characters_is_not_repeated_whole() -> None:
    [skipped] = read({"statut_de_degroupage_iam": "x" * 30_000}).skipped
    assert len(skipped.reason) < 300


def test_quotes_that_never_close_swallow_no_rows_however_many_there_are() -> None:
    # Each line would open a quoted cell, and within one would close and open it again.
    good = quoted_csv(SAV_ROW, {**SAV_ROW, "Number": "INC-2", COMMENT: "0622222222"}, separator=",").split(b"\r\n")
    lines = [good[0], good[1], *[b'x"y,"z'] * 500, good[2]]
    manifest = read_manifest(b"\r\n".join(lines), SAV_NAME, LAYOUTS, CASABLANCA)
    assert numbers(manifest) == ["INC-1", "INC-2"]
    assert [one.row for one in manifest.orders] == [2, 503]
    assert len(manifest.rejected) == 500

"""Manifests made for tests: rows of one operator as CSV and as a workbook."""

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from ringtrue.manifests.layouts import load_layouts
from ringtrue.manifests.manifest import Manifest, read_manifest

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
    """A time of November 2026."""
    return int(datetime(2026, 11, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000


def csv_of(*rows: dict[str, str], separator: str = ",", encoding: str = "utf-8") -> bytes:
    """A manifest of the given rows, each `ROW` with changes; the headings are those of the first."""
    full = [{**ROW, **row} for row in rows]
    lines = [separator.join(full[0])] + [separator.join(row[heading] for heading in full[0]) for row in full]
    return ("\r\n".join(lines) + "\r\n").encode(encoding)


def read(*rows: dict[str, str], name: str = NAME, day: date | None = None) -> Manifest:
    """What becomes of the given rows."""
    return read_manifest(csv_of(*rows), name, LAYOUTS, CASABLANCA, day)


def numbers(manifest: Manifest) -> list[str]:
    """The orders that count."""
    return [one.order.number for one in manifest.orders]


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

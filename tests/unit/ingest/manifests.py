"""Manifests made for tests: rows of one operator as CSV and as a workbook."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from ringtrue.manifests.layouts import load_layouts
from ringtrue.manifests.manifest import Manifest, read_manifest
from ringtrue.messages import Order

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

VULA_NAME = "CRC_VULA_2026-11-18.csv"
VULA_ROW = {
    "inwib2c_commande_de_partage__c": "VULA-1",
    "createddate": "17/11/2026 09:00",
    "lastmodifieddate": "18/11/2026 18:00:00",
    "inwib2c_numerocontact__c": "+212 6 12 34 56 78",
    "inwib2c_statut_demande__c": "SUSPENDUE",
    "inwib2c_motif__c": "Client refuse installation",
    "inwib2c_nd_attribut__c": "0522000002",
    "inwib2c_city__c": "Salé",
    "inwib2c_lineid__c": "LID-1",
}

SAV_NAME = "SAV_2026-11-18.csv"
SAV_ROW = {
    "Number": "INC-1",
    "ND": "0522000003",
    "Date d'envoi vers l'opérateur d'infra": "17/11/2026 09:00",
    "Date suspension": "18/11/2026 18:00",
    "Motif suspension": "Client absent",
    "Category": "SAV ADSL",
    "Date réouverture systeme": "",
    "Date recyclage": "",
    "Commentaire envoi vers opérateur d'infra": "Nom et prénom : ALAMI Karim, contact : 0612345678",
    "Numéro chez l'opérateur d'infra": "OT-3",
    "city": "Fès",
}
SENT, REOPENED, RECYCLED = "Date d'envoi vers l'opérateur d'infra", "Date réouverture systeme", "Date recyclage"
COMMENT = "Commentaire envoi vers opérateur d'infra"


def utc_ms(day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    """A time of November 2026."""
    return int(datetime(2026, 11, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000


#: What `ROW` is read as.
ORDER = Order(
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
)


def csv_of(*rows: dict[str, str], separator: str = ",", encoding: str = "utf-8") -> bytes:
    """A manifest of the given rows, each `ROW` with changes; the headings are those of the first."""
    full = [{**ROW, **row} for row in rows]
    lines = [separator.join(full[0])] + [separator.join(row[heading] for heading in full[0]) for row in full]
    return ("\r\n".join(lines) + "\r\n").encode(encoding)


def read(*rows: dict[str, str], name: str = NAME, day: date | None = None) -> Manifest:
    """What becomes of the given rows."""
    return read_manifest(csv_of(*rows), name, LAYOUTS, CASABLANCA, day)


def quoted_csv(*rows: Mapping[str, str], separator: str = ";", encoding: str = "utf-8") -> bytes:
    """Rows with their own headings, quoted where that is needed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def read_sav(*rows: dict[str, str], name: str = SAV_NAME, day: date | None = None) -> Manifest:
    """What becomes of SAV rows, each `SAV_ROW` with changes."""
    return read_manifest(quoted_csv(*({**SAV_ROW, **row} for row in rows)), name, LAYOUTS, CASABLANCA, day)


def numbers(manifest: Manifest) -> list[str]:
    """The orders that count."""
    return [one.order.number for one in manifest.orders]


def workbook(rows: Sequence[Sequence[Cell]]) -> bytes:
    """A minimal .xlsx of one sheet."""
    return workbook_of({"Feuil1": rows})


def workbook_of(
    sheets: Mapping[str, Sequence[Sequence[Cell]]],
    *,
    hidden: Sequence[str] = (),
    parts: Mapping[str, str] | None = None,
) -> bytes:
    """A minimal .xlsx of several sheets; `parts` of the archive are added, or replace others."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"

    def cell(reference: str, value: Cell) -> str:
        if isinstance(value, str):
            return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        style, number = (1, value[0]) if isinstance(value, tuple) else (0, value)
        return f'<c r="{reference}" s="{style}"><v>{number!r}</v></c>'

    def sheet(rows: Sequence[Sequence[Cell]]) -> str:
        lines = (
            "".join(cell(f"{chr(65 + column)}{line}", value) for column, value in enumerate(row))
            for line, row in enumerate(rows, start=1)
        )
        data = "".join(f'<row r="{line}">{cells}</row>' for line, cells in enumerate(lines, start=1))
        return f'<worksheet xmlns="{main}"><sheetData>{data}</sheetData></worksheet>'

    named = list(enumerate(sheets.items(), start=1))
    states = dict.fromkeys(hidden, ' state="hidden"')
    listed = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"{states.get(name, "")}/>'
        for number, (name, _) in named
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{office}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number, _ in named
    )
    contents = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{related}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
        "</styleSheet>",
        **{f"xl/worksheets/sheet{number}.xml": sheet(rows) for number, (_, rows) in named},
        **(parts or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            archive.writestr(name, text)
    return file.getvalue()

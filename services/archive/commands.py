"""The archive's part of the command line: the reports."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ringtrue.cli.results import AsJson, complain, open_results, print_json, print_lines
from ringtrue.errors import WrongUse
from ringtrue.results.cases import find_manifests
from services.archive.csv_file import write_csv
from services.archive.reports import make_reports

app = typer.Typer()


class ReportFormat(StrEnum):
    """A format that reports are written in."""

    CSV = "csv"


@app.command("report")
def report(
    out: Annotated[Path, typer.Option(help="Folder to write to; files of the same name are replaced.")],
    manifest: Annotated[str, typer.Option(help="Only this manifest, by its key, such as manifests/crc_adsl.csv.")] = "",
    day: Annotated[str, typer.Option(help="Only manifests of this day, YYYY-MM-DD.")] = "",
    file_format: Annotated[ReportFormat, typer.Option("--format", help="Format of the files.")] = ReportFormat.CSV,
    delimiter: Annotated[str, typer.Option(help="Between cells; French Excel expects a semicolon.")] = ";",
    as_json: AsJson = False,
) -> None:
    """Writes the reports of the manifests that were read: KIND_CATEGORY_DAY.csv and its four companions.

    Rows stand in the manifest's order. Results are in the language of RINGTRUE_LANGUAGE, dates in RINGTRUE_TIME_ZONE.
    Exit code 1: no manifest of this key or day was read.
    """
    del file_format  # there is one; Excel files come with their own writer
    if len(delimiter) != 1:
        raise WrongUse(f"--delimiter {delimiter!r}: one character is expected, such as ; or ,")
    with open_results() as (connection, settings):
        made = make_reports(connection, settings.zone, settings.language, manifest=manifest, day=day)
        known = find_manifests(connection)
    written = [{"path": str(write_csv(one, out, delimiter)), "rows": len(one.rows)} for one in made]
    if as_json:
        print_json({"files": written})
    else:
        print_lines(f"{file['path']}: {file['rows']} rows" for file in written)
    if not written:
        names = ", ".join(f"{m.manifest} ({m.day})" for m in known) or "none at all"
        complain(f"no such manifest was read; there are: {names}")

"""The archive's part of the command line: the reports."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ringtrue import times
from ringtrue.cli.results import AsJson, complain, open_results, print_json, print_lines
from ringtrue.console import news
from ringtrue.errors import Misconfigured, WrongUse
from ringtrue.outcomes import Language
from ringtrue.results.cases import find_manifests
from services.archive.cells import Print
from services.archive.csv_file import CsvFile, CsvForm
from services.archive.files import Formats, Written, write_reports
from services.archive.reports import Row, find_batches, read_rows, seldom_collected
from services.archive.sending import mail, put_beside

app = typer.Typer()

_FORMATS = ("csv", "xlsx")
_DAYS_AGO = {"today": 0, "yesterday": 1}


@app.command("report")
def report(
    out: Annotated[Path, typer.Option(help="Folder to write to; files of the same name are replaced.")],
    manifest: Annotated[str, typer.Option(help="Only this manifest, by its key, such as manifests/crc_adsl.csv.")] = "",
    prefix: Annotated[str, typer.Option(help="Only manifests whose key or file name begins so.")] = "",
    day: Annotated[str, typer.Option(help="Only manifests of this day: YYYY-MM-DD, yesterday or today.")] = "",
    file_format: Annotated[
        str, typer.Option("--format", help=f"Formats of the files, comma between them: {', '.join(_FORMATS)}.")
    ] = "csv",
    delimiter: Annotated[str, typer.Option(help="Between cells of CSV; French Excel expects a semicolon.")] = ";",
    bom: Annotated[bool, typer.Option(help="Begin CSV with a byte order mark; Excel expects one.")] = True,
    beside: Annotated[
        bool,
        typer.Option("--beside-manifest", help="Put the files into the bucket, too: .reports beside the manifest."),
    ] = False,
    email: Annotated[bool, typer.Option(help="Send the files to RINGTRUE_MAIL__RECIPIENTS; none goes twice.")] = False,
    email_again: Annotated[
        bool, typer.Option("--email-again", help="Send also those of which nobody knows whether they went out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Writes the reports of the manifests that were read: KIND_CATEGORY_DAY.csv (or .xlsx) and its four companions.

    Rows stand in the manifest's order. Results are in the language of RINGTRUE_LANGUAGE, dates in RINGTRUE_TIME_ZONE.
    Excel files hold the evidence and a summary, too. E-mail needs RINGTRUE_MAIL__HOST, __SENDER and __RECIPIENTS.

    Exit code 1: no manifest of this key, prefix or day was read. 3: the store or the mail server is away; the files are
    written all the same.
    """
    if len(delimiter) != 1:
        raise WrongUse(f"--delimiter {delimiter!r}: one character is expected, such as ; or ,")
    written, put = list[Written](), list[str]()
    with open_results() as (connection, settings):
        formats = _formats(file_format, CsvForm(delimiter, bom), settings.language)
        printed = Print(settings.zone, settings.language)
        that_day = _day(day, settings.zone)
        batches = find_batches(connection, manifest=manifest, prefix=prefix, day=that_day)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=news()) as progress:
            bar = progress.add_task("orders", total=sum(len(batch.cases) for batch in batches))

            def followed(chunks: Iterator[tuple[int, dict[str, list[Row]]]]) -> Iterator[dict[str, list[Row]]]:
                for orders, chunk in chunks:
                    yield chunk
                    progress.advance(bar, orders)

            for batch in batches:
                with seldom_collected():
                    files = write_reports(batch.reports, followed(read_rows(connection, batch, printed)), out, formats)
                if beside:
                    put += put_beside(settings, batch.manifests, [file.path for file in files])
                written += files
        known = find_manifests(connection)
    titles = [report.name for batch in batches for report in batch.reports if report.about == "verdicts"]
    sent = mail(settings, titles, written, again=email_again) if written and (email or email_again) else []
    if as_json:
        document: dict[str, Any] = {"files": [{"path": str(file.path), "rows": file.rows} for file in written]}
        document |= {"objects": put} if beside else {}
        document |= {"mails": [{"subject": one.letter.subject, "sent": one.sent} for one in sent]} if sent else {}
        print_json(document)
    else:
        print_lines(f"{file.path}: {file.rows} rows" for file in written)
        print_lines(f"put into the bucket: {name}" for name in put)
        print_lines(f"{'sent' if one.sent else 'went out before'}: {one.letter.subject}" for one in sent)
    if not written:
        names = ", ".join(f"{m.manifest} ({m.day})" for m in known) or "none at all"
        complain(f"no such manifest was read; there are: {names}")


def _formats(text: str, form: CsvForm, language: Language) -> Formats:
    chosen = dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip())
    if not chosen or not chosen.keys() <= set(_FORMATS):
        raise WrongUse(f"--format {text}: {', '.join(_FORMATS)} are allowed")
    made: Formats = {}
    for name in chosen:
        if name == "csv":
            made[name] = partial(CsvFile, form=form)
        else:
            try:
                from services.archive.xlsx_file import XlsxFile
            except ModuleNotFoundError as error:
                raise Misconfigured(f"{error.name} is missing: pip install ringtrue[archive]") from error
            made[name] = partial(XlsxFile, language=language)
    return made


def _day(text: str, zone: ZoneInfo) -> str:
    """The day of `--day` as manifests have it."""
    if text in _DAYS_AGO:
        return (times.local_day(times.now_ms(), zone) - timedelta(days=_DAYS_AGO[text])).isoformat()
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as error:
        raise WrongUse(f"--day {text}: YYYY-MM-DD, yesterday or today is expected") from error

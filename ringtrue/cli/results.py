"""What the results database knows, for people and (`--json`) for programs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import sqlalchemy as sa
import typer
from rich.console import RenderableType

from ringtrue.console import output
from ringtrue.database import check_schema, open_database, reading
from ringtrue.errors import WrongUse
from ringtrue.results import documents, printing
from ringtrue.results.calls import STATES, count_calls, find_calls
from ringtrue.results.cases import count_cases, find_cases
from ringtrue.results.facts import find_facts
from ringtrue.results.queries import find_letters, letter
from ringtrue.settings import Settings, load_settings
from ringtrue.streaming.registry import make_codec

app = typer.Typer()
orders = typer.Typer(help="Orders: where each stands; what a manifest holds.")
dead_letters = typer.Typer(help="What was refused and why, and another try.", no_args_is_help=True)
app.add_typer(orders, name="orders")
app.add_typer(dead_letters, name="dead-letters")

VERDICTS = ("compliant", "non_compliant", "to_review", "pending", "withdrawn")
NEEDS_A_LOOK = 1
_MOST_CALLS = 100

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most so many.")]


@app.command("verdict")
def verdict(
    numbers: Annotated[list[str], typer.Argument(metavar="ORDER...", help="Order numbers (or case ids).")],
    fail_on: Annotated[
        str, typer.Option(help=f"Verdicts that end in exit code 1, comma between them: {', '.join(VERDICTS)}.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """The verdict of each order and its findings, with the calls and seconds that they rest on.

    Exit code 1: an order is not known, or its verdict is one that --fail-on names.
    """
    wanted = choices("--fail-on", fail_on, VERDICTS)
    with open_results() as (connection, settings):
        cases = find_cases(connection, numbers=numbers)
    known = {name for case in cases for name in (case.order.number, case.order.case_id)}
    missing = [number for number in numbers if number not in known]
    if as_json:
        print_json({"orders": [documents.case_document(case) for case in cases], "unknown": missing})
    else:
        show(*(printing.findings_table(case, settings.zone) for case in cases))
    if missing:
        complain(f"not known: {', '.join(missing)}; see `ringtrue orders`")
    if any(case.verdict in wanted for case in cases):
        sys.exit(NEEDS_A_LOOK)


@app.command("calls")
def calls(
    search: Annotated[str, typer.Argument(help="Part of a call id, CALL_ID, client or technician number.")] = "",
    state: Annotated[str, typer.Option(help=f"Only these, comma between them: {', '.join(STATES)}.")] = "",
    unassigned: Annotated[bool, typer.Option("--unassigned", help="Only calls without a client number.")] = False,
    facts: Annotated[
        bool, typer.Option("--facts", help="One JSON line per call, by client: what `ringtrue judge` judges by.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Show at most so many; default {_MOST_CALLS}, with --facts all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Calls, the latest first: whose they are, where they stand, what they show."""
    states = choices("--state", state, STATES)
    if facts:
        with open_results() as (connection, settings):
            for line in find_facts(
                connection, settings.zone, states=states, search=search, unassigned=unassigned, limit=limit
            ):
                print_json(line)
        return
    limit = limit or _MOST_CALLS
    with open_results() as (connection, settings):
        found = find_calls(connection, states=states, search=search, unassigned=unassigned, limit=limit)
        total = count_calls(connection, states=states, search=search, unassigned=unassigned)
    if as_json:
        print_json({"calls": [documents.call_document(call, settings.language) for call in found], "total": total})
    else:
        show(printing.calls_table(found, settings.zone, settings.language))
    say_of(len(found), total)


@orders.callback(invoke_without_command=True)
def list_orders(
    context: typer.Context,
    verdict: Annotated[str, typer.Option(help=f"Only these, comma between them: {', '.join(VERDICTS)}.")] = "",
    manifest: Annotated[str, typer.Option(help="Only orders of this manifest, by its key, bucket first.")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Orders, the latest suspension first: verdict and why, or what a pending one waits for."""
    if context.invoked_subcommand is not None:
        return
    standing = choices("--verdict", verdict, VERDICTS)
    with open_results() as (connection, settings):
        found = find_cases(connection, manifest=manifest, standing=standing, limit=limit)
        total = sum(count_cases(connection, manifest=manifest, standing=standing).values())
    if as_json:
        print_json({"orders": [documents.case_document(case) for case in found], "total": total})
    else:
        show(printing.cases_table(found, settings.zone))
    say_of(len(found), total)


@dead_letters.command("list")
def list_dead_letters(
    search: Annotated[str, typer.Argument(help="Part of what it is about, of its call id or message.")] = "",
    worker: Annotated[str, typer.Option(help="Only of this worker or service, such as ingest.")] = "",
    error: Annotated[str, typer.Option(help="Only with this error code, such as undecodable.")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """What was refused, the latest first: what it is about, what is wrong, what to do."""
    with open_results() as (connection, _):
        found = find_letters(connection, worker=worker, error=error, search=search, limit=limit)
    if as_json:
        print_json({"dead_letters": [documents.letter_document(one) for one in found]})
    else:
        show(printing.letters_table(found))


@dead_letters.command("show")
def show_dead_letter(
    name: Annotated[str, typer.Argument(metavar="ID", help="As `dead-letters list` shows it: TOPIC/PARTITION/OFFSET.")],
    as_json: AsJson = False,
) -> None:
    """One dead letter, with the record that was refused. Exit code 1: there is none of this id."""
    with open_results() as (connection, settings):
        found = letter(connection, name)
    if found is None:
        complain(f"there is no dead letter {name}; see `ringtrue dead-letters list`")
    document = documents.letter_document(found, make_codec(settings))
    if as_json:
        print_json(document)
    else:
        print_lines(f"{field}: {_readable(value)}" for field, value in document.items())


@contextmanager
def open_results() -> Iterator[tuple[sa.Connection, Settings]]:
    settings = load_settings()
    engine = open_database(settings.database_url)
    try:
        check_schema(engine)
        with reading(engine) as connection:
            yield connection, settings
    finally:
        engine.dispose()


def choices(option: str, text: str, allowed: tuple[str, ...]) -> list[str]:
    """What an option names, commas between them.

    Raises:
        WrongUse: It names something else than is allowed.
    """
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    if not set(chosen) <= set(allowed):
        raise WrongUse(f"{option} {text}: {', '.join(allowed)} are allowed")
    return chosen


def print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False))


def show(*parts: RenderableType) -> None:
    console = output()
    for part in parts:
        console.print(part)


def print_lines(lines: Iterator[str]) -> None:
    for line in lines:
        typer.echo(printing.harmless(line))


def _readable(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def say_of(shown: int, total: int) -> None:
    if shown < total:
        typer.echo(f"{shown} of {total} shown; --limit shows more", err=True)


def complain(message: str) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(NEEDS_A_LOOK)

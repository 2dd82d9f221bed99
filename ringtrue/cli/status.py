"""`ringtrue status`, and `dead-letters retry`: what needs both the results and the log."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ringtrue.cli.results import open_results
from ringtrue.console import output
from ringtrue.errors import WrongUse
from ringtrue.messages import CallCommand
from ringtrue.results.cases import find_cases
from ringtrue.results.queries import Letter, books, find_letters, letter
from ringtrue.service import open_log
from ringtrue.settings import load_settings
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import Log, Outgoing
from ringtrue.streaming.registry import make_codec
from ringtrue.streaming.topics import CALLS_COMMANDS, TOPICS
from ringtrue.times import now_ms

app = typer.Typer()
dead_letters = typer.Typer()
app.add_typer(dead_letters, name="dead-letters")

#: Workers before a call has a run: what they refused is handed to them again as it was.
_BEFORE_A_RUN = ("ingest-intake", "ingest-register", "ingest-manifests")
_MOST_WAITING = 10


@app.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Balances the books: recordings seen, registered, finished, failed, in flight; orders; what is still to be done.

    recordings seen = registered + duplicates + refused; registered = finished + failed + in flight + not wanted.
    """
    with open_results() as (connection, settings):
        counts = asdict(books(connection))
        waiting = find_cases(connection, standing=["pending"], limit=_MOST_WAITING)
    log = open_log(settings)
    ends = log.ends([topic.name for topic in TOPICS])
    log.close()
    document: dict[str, Any] = {
        "books": counts,
        "pending": [{"order": case.order.number, "waiting_for": list(case.waiting_for)} for case in waiting],
        "records": {topic.name: ends[topic.name] for topic in TOPICS},
    }
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    console = output()
    table = Table(title="the books", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in counts.items():
        shown = ", ".join(f"{count} {what}" for what, count in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown)
    console.print(table)
    for case in waiting:
        for reason in case.waiting_for:
            console.print(f"[cyan]{case.order.number} waits:[/] {escape(reason)}", highlight=False)


@dead_letters.command("retry")
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids as `dead-letters list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    error: Annotated[str, typer.Option(help="With --all: only those with this error code.")] = "",
) -> None:
    """Tries again what was refused, after its cause was mended.

    A call is processed again as a new run, from its recording; anything else is handed again to the worker that
    refused it, as it was. The dead letter stays on record. The services must be running, or run next.
    """
    letters = _chosen(ids or [], every=every, error=error)
    settings = load_settings()
    log = open_log(settings)
    calls = _again(log, letters, make_codec(settings))
    log.close()
    output().print(f"{len(letters)} dead letters tried again, {calls} of them as new runs of calls")


def _chosen(ids: Sequence[str], *, every: bool, error: str) -> list[Letter]:
    if bool(ids) == every:
        raise WrongUse("name the dead letters to retry, or give --all; `ringtrue dead-letters list` shows them")
    with open_results() as (connection, _):
        if every:
            return find_letters(connection, error=error)
        found = {name: letter(connection, name) for name in ids}
    missing = [name for name, one in found.items() if one is None]
    if missing:
        raise WrongUse(f"no dead letter {', '.join(missing)}; `ringtrue dead-letters list` shows them")
    return [one for one in found.values() if one is not None]


def _again(log: Log, letters: Sequence[Letter], codec: Codec) -> int:
    outgoing, calls = list[Outgoing](), set[str]()
    for one in letters:
        if one.call_id is not None and one.worker not in _BEFORE_A_RUN:
            calls.add(one.call_id)
        else:
            headers = {name: value.encode() for name, value in one.headers.items()} | {"origin": b"retry"}
            outgoing.append(Outgoing(one.source.partition("/")[0], one.key, one.value, headers))
    for call_id in sorted(calls):
        command = CallCommand(
            call_id=call_id, command="reprocess", stage="segment", reason="retry", event_time_ms=now_ms()
        )
        outgoing.append(Outgoing(CALLS_COMMANDS.name, call_id.encode(), codec.encode(command)))
    log.append(outgoing)
    return len(calls)

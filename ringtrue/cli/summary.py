"""What a run leaves to be said: the verdicts, what was refused or failed, what is still waited for."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ringtrue.console import output
from ringtrue.database import open_database, reading
from ringtrue.results.cases import find_cases
from ringtrue.results.documents import case_document, failures_document, results_document
from ringtrue.results.queries import books
from ringtrue.settings import Settings

Document = dict[str, Any]

_COLOURS = {"compliant": "green", "non_compliant": "red", "to_review": "yellow", "pending": "cyan"}
#: Rows of a summary; `ringtrue orders` and `ringtrue dead-letters list` show all.
_MOST = 20


def results_of(settings: Settings) -> Document:
    """All results as one document (see `ringtrue.results.documents`)."""
    engine = open_database(settings.database_url)
    try:
        with reading(engine) as connection:
            return results_document(connection, settings.language)
    finally:
        engine.dispose()


def summarise(settings: Settings) -> int:
    """Prints what a run brought; exit code 1 when something was refused or failed."""
    engine = open_database(settings.database_url)
    with reading(engine) as connection:
        counts = books(connection)
        orders = [case_document(case) for case in find_cases(connection, limit=_MOST)]
        waiting = find_cases(connection, standing=["pending"], limit=_MOST)
        failures = failures_document(connection)
    engine.dispose()
    console = output()
    if orders:
        console.print(verdict_table(orders))
    if sum(counts.verdicts.values()) > len(orders):
        console.print(f"... and {sum(counts.verdicts.values()) - len(orders)} more: ringtrue orders")
    show_failures(console, failures)
    for case in waiting:
        for reason in case.waiting_for:
            console.print(f"[cyan]{case.order.number} waits:[/] {escape(reason)}")
    console.print(
        f"{counts.registered} calls: {counts.finished} finished, {counts.failed} failed, {counts.in_flight} in flight, "
        f"{counts.not_wanted} not wanted; {counts.unassigned} without a client number"
    )
    if counts.verdicts:
        console.print(
            "orders: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.verdicts.items()))
        )
    console.print("more: ringtrue explain ORDER, ringtrue report --out DIR, ringtrue status")
    return 1 if failures else 0


def verdict_table(orders: Sequence[Document]) -> Table:
    """Orders with their verdict, the findings in words, and the calls and seconds that each rests on."""
    table = Table(show_lines=True)
    table.add_column("order, declared motif")
    table.add_column("verdict", no_wrap=True)
    table.add_column("findings, with calls and seconds as evidence")
    for order in orders:
        verdict = order["verdict"]
        telling = [finding for finding in order["findings"] if _tells(finding)]
        shown = telling or [finding for finding in order["findings"] if finding["result"] == "passed"]
        lines = [line for finding in shown for line in _finding(finding)] or [escape(order["comment"])]
        table.add_row(
            f"[bold]{escape(order['order'])}[/]\n{escape(order['motif'])}",
            f"[{_COLOURS.get(verdict, 'white')}]{verdict}[/]",
            "\n".join(lines),
        )
    return table


def _tells(finding: Document) -> bool:
    # Behaviour is reported only: unless it was bad, it is not why an order needs a look.
    results = ("failed",) if finding["rule"] == "behaviour" else ("failed", "undetermined")
    return finding["result"] in results


_SIGNS = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "undetermined": "[yellow]?[/]"}
#: Pieces of evidence of one finding in the table; `ringtrue explain` shows all.
_MOST_EVIDENCE = 3


def _finding(finding: Document) -> list[str]:
    lines = [f"{_SIGNS[finding['result']]} {escape(finding['comment'])}"]
    for piece in finding["evidence"][:_MOST_EVIDENCE]:
        seconds = ""
        if piece["start_ms"] is not None:
            seconds = f" {piece['start_ms'] / 1000:.1f}-{piece['end_ms'] / 1000:.1f} s"
        call = piece["call_id"].rpartition("/")[2]
        lines.append(f"    [dim]{escape(call)}{seconds}: {escape(piece['fact'])}[/]")
    if len(finding["evidence"]) > _MOST_EVIDENCE:
        lines.append(f"    [dim]... {len(finding['evidence']) - _MOST_EVIDENCE} more[/]")
    return lines


def show_failures(console: Console, failures: Sequence[Document]) -> None:
    """What was refused or failed, and why."""
    if not failures:
        return
    table = Table(title="refused or failed", title_justify="left")
    for heading in ("what", "why", "what happened, what to do"):
        table.add_column(heading, overflow="fold")
    for failure in failures[:_MOST]:
        table.add_row(escape(failure["subject"]), failure["reason"], escape(failure["message"]))
    console.print(table)
    if len(failures) > _MOST:
        console.print(f"... and {len(failures) - _MOST} more: ringtrue dead-letters list")

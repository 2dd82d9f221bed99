"""`ringtrue reprocess`: calls or orders again, from a stage on."""

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ringtrue import times
from ringtrue.cli.results import NEEDS_A_LOOK, AsJson, open_results, print_json
from ringtrue.console import news, output
from ringtrue.errors import WrongUse
from ringtrue.results.reprocessing import (
    STAGES,
    Asked,
    Plan,
    Scope,
    plan,
    records,
    scope_of_calls,
    scope_of_orders,
    scope_since,
)
from ringtrue.service import open_log
from ringtrue.settings import Settings
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.registry import make_codec

app = typer.Typer()

#: Records written at once.
_CHUNK = 200
_SHOWN = 20


@app.command("reprocess")
def reprocess(
    order: Annotated[list[str] | None, typer.Option(help="An order number (or case id); may be repeated.")] = None,
    manifest: Annotated[str, typer.Option(help="All orders of this manifest, by its key, bucket first.")] = "",
    call: Annotated[list[str] | None, typer.Option(help="A call id, bucket/stem; may be repeated.")] = None,
    since: Annotated[str, typer.Option(help="Calls and orders from this day on, YYYY-MM-DD.")] = "",
    from_stage: Annotated[
        str, typer.Option(help=f"Where to start: {', '.join(STAGES)}. Default: ingest; compliance for orders.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, in words; it is kept with the command.")] = "asked for",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Runs calls again from a stage on, or judges orders again by the rules in force.

    New results replace the old ones; earlier verdicts stay in the history (`ringtrue explain`). The audio of parts is
    not kept, so `asr` starts from the recording as `ingest` does; `classifier` takes the transcripts that are archived;
    `compliance` judges anew what is known. The services must be running, or run next.

    \b
      after a change of the rules:
        ringtrue reprocess --manifest recordings/crc_adsl_2026-11-18.csv
      what a new model would cost:
        ringtrue reprocess --since 2026-11-01 --from-stage asr --dry-run

    Exit code 1: something was named that is not known, or cannot be done again from there.
    """
    named = {"--order": order, "--manifest": manifest, "--call": call, "--since": since}
    if sum(map(bool, named.values())) != 1:
        raise WrongUse(f"which calls or orders? Give one of {', '.join(named)}")
    stage = from_stage or ("compliance" if order or manifest else "ingest")
    if stage not in STAGES:
        raise WrongUse(f"--from-stage {from_stage}: {', '.join(STAGES)} are allowed")
    with open_results() as (connection, settings):
        if call:
            scope = scope_of_calls(connection, call)
        elif since:
            scope = scope_since(connection, _start_of(since, settings))
        else:
            scope = scope_of_orders(connection, numbers=order or (), manifest=manifest)
        planned = plan(connection, scope, stage)
        if not dry_run:
            _ask(settings, records(connection, planned, reason, times.now_ms()), len(planned.calls or planned.orders))
    unknown = _unknown(scope, order or (), call or (), manifest)
    if as_json:
        print_json(_document(planned, unknown, dry_run=dry_run))
    else:
        _show(planned, unknown, dry_run=dry_run)
    sys.exit(NEEDS_A_LOOK if unknown or planned.left_out else 0)


def _ask(settings: Settings, asked: Iterable[Asked], total: int) -> None:
    codec, log = make_codec(settings), open_log(settings)
    outgoing = (Outgoing(one.topic.name, one.key.encode(), codec.encode(one.message), one.headers) for one in asked)
    with Progress(TextColumn("asking"), BarColumn(), MofNCompleteColumn(), console=news()) as progress:
        bar = progress.add_task("", total=total)
        while some := list(islice(outgoing, _CHUNK)):
            log.append(some)
            progress.advance(bar, len(some))
    log.close()


def _start_of(day: str, settings: Settings) -> int:
    moment = times.parse(day, without_time=times.START_OF_DAY)
    if moment is None:
        raise WrongUse(f"--since {day}: a day is expected, YYYY-MM-DD")
    return times.to_utc_ms(moment, settings.zone)


def _unknown(scope: Scope, numbers: Sequence[str], ids: Sequence[str], manifest: str) -> list[str]:
    known = {call.call_id for call in scope.calls}
    known |= {name for case in scope.cases for name in (case.order.number, case.order.case_id)}
    missing = [name for name in (*numbers, *ids) if name not in known]
    return missing + ([manifest] if manifest and not scope.cases else [])


def _document(planned: Plan, unknown: list[str], *, dry_run: bool) -> dict[str, object]:
    return {
        "from_stage": planned.stage,
        "dry_run": dry_run,
        "calls": [call.call_id for call in planned.calls],
        "orders": list(planned.orders),
        "audio_hours": round(planned.audio_hours, 4),
        "left_out": [{"call_id": call_id, "reason": reason} for call_id, reason in planned.left_out],
        "unknown": unknown,
    }


def _show(planned: Plan, unknown: list[str], *, dry_run: bool) -> None:
    console = output()
    table = Table(title="what would be done" if dry_run else "what was asked for", title_justify="left")
    for heading in ("from stage", "calls", "hours of audio", "orders concerned"):
        table.add_column(heading, justify="left" if heading == "from stage" else "right")
    table.add_row(planned.stage, f"{len(planned.calls)}", f"{planned.audio_hours:.2f}", f"{len(planned.orders)}")
    console.print(table)
    for call_id, reason in planned.left_out[:_SHOWN]:
        console.print(f"  left out: {call_id}: {reason}", highlight=False, markup=False)
    if len(planned.left_out) > _SHOWN:
        console.print(f"  ... {len(planned.left_out) - _SHOWN} more are left out", highlight=False)
    for name in unknown:
        console.print(f"  not known: {name}", highlight=False, markup=False)
    if not dry_run and (planned.calls or planned.orders):
        console.print("`ringtrue status` shows how far it is, `ringtrue explain ORDER` what it changed")

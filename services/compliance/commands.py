"""Compliance's part of the command line: `rules show`, `judge` and `explain`."""

from pathlib import Path
from typing import Annotated

import typer

from ringtrue.settings import load_settings
from services.compliance.rules_shown import explain_rules
from services.compliance.ruleset import load_ruleset

# What `judge` and `explain` need is imported where it is used: `rules` must load without the database's modules.

app = typer.Typer()
rules = typer.Typer(help="The rules by which orders are judged.", no_args_is_help=True)
app.add_typer(rules, name="rules")


@rules.callback()
def _rules() -> None:
    """The rules by which orders are judged."""


@rules.command("show")
def show() -> None:
    """Shows the rules in force, in words, in the language of reports. RINGTRUE_RULES names another file of rules."""
    settings = load_settings()
    typer.echo(explain_rules(load_ruleset(settings.time_zone, settings.rules), settings.language))


@app.command("judge")
def judge(
    manifest: Annotated[
        list[Path], typer.Option(metavar="FILE...", help="Manifests, CSV or Excel; the option may also be repeated.")
    ],
    calls: Annotated[
        list[Path],
        typer.Option(
            metavar="FACTS.jsonl",
            help="Facts of calls, one JSON object a line, as `ringtrue calls --facts` writes them; several times, too.",
        ),
    ],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="More manifests.")] = None,
    rules_file: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="The rules; default RINGTRUE_RULES.")
    ] = None,
    layouts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The layouts of manifests; default RINGTRUE_INGEST__LAYOUTS."),
    ] = None,
    day: Annotated[str, typer.Option(help="The processed day, YYYY-MM-DD; default: from the name or the rows.")] = "",
    compare: Annotated[
        Path | None,
        typer.Option(metavar="OTHER_RULES", help="Show only the verdicts that would flip under these rules, and why."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="Verdicts that end in exit code 1: compliant, non_compliant, to_review; comma between.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many orders; --json shows all.")] = 100,
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON line per order on standard output.")] = False,
) -> None:
    """Judges the orders of manifests from facts alone: no log, no audio, no server, and the very same rules.

    The facts are taken to hold every call there was. A line with a mistake is reported on standard error; what says
    whose call it was and when still counts, the rest is taken as not established.

    Exit code 1: a manifest, a row or a line could not be used wholly, or a verdict is one that --fail-on names.
    """
    from services.compliance.judging import Judging

    judging = Judging(load_settings(), rules=rules_file, layouts=layouts, day=day, compare=compare)
    raise typer.Exit(
        judging.run([*manifest, *(more or ())], calls, as_lines=as_lines, fail_on=fail_on, limit=limit),
    )


@app.command("explain")
def explain(
    number: Annotated[str, typer.Argument(metavar="ORDER", help="Order number (or case id).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """The story of an order: what was declared, each attempt and what was said in it, each rule, what would have
    changed the verdict, each verdict so far.

    Exit code 1: the order is not known.
    """
    from services.compliance.explaining import explain_order

    explain_order(number, as_json=as_json)

"""Compliance's part of the command line: `rules show`."""

import typer

from ringtrue.settings import load_settings
from services.compliance.explain import explain_rules
from services.compliance.ruleset import load_ruleset

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

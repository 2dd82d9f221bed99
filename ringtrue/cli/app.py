"""The frame of the command line: mounts every command, and turns errors into a message and an exit code.

Exit codes: 0 done, 1 done but something needs a look, 2 wrong use or settings, 3 a server could not be reached.
"""

import sys
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated

import typer

from ringtrue import __version__
from ringtrue.console import news
from ringtrue.errors import Away, BadRecord, Misconfigured
from ringtrue.telemetry import configure_logging

#: Our own commands and the modules of `ringtrue.cli` that hold them. A command that the services offer stands in the
#: entry points `ringtrue.commands`, by the same names.
OWN: dict[str, tuple[str, ...]] = {
    "demo": ("demo",),
    "run": ("run",),
    "transcribe": ("transcribe",),
    "verdict": ("results",),
    "calls": ("results",),
    "orders": ("results",),
    "dead-letters": ("results", "status"),
    "status": ("status",),
    "reprocess": ("reprocess",),
    "service": ("service",),
    "doctor": ("doctor",),
    "topics": ("topics",),
}

NEEDS_A_LOOK, WRONG_USE, AWAY = 1, 2, 3

_HELP = """Turns call recordings into evidence-backed compliance verdicts.

Begin with `ringtrue demo`, then `ringtrue run FOLDER --once` on a folder of your own recordings.
Settings come from the environment: RINGTRUE_ and the name, such as RINGTRUE_DATA_DIR; `ringtrue doctor` shows them."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ringtrue {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = (
        False
    ),
) -> None:
    del version


def _mount(app: typer.Typer, part: typer.Typer) -> None:
    """Adds the commands of `part`. Groups of the same name become one."""
    app.registered_commands += part.registered_commands
    for group in part.registered_groups:
        present = next((one for one in app.registered_groups if one.name == group.name), None)
        if present is None or present.typer_instance is None or group.typer_instance is None:
            app.registered_groups.append(group)
            continue
        present.typer_instance.registered_commands += group.typer_instance.registered_commands
        if group.typer_instance.registered_callback is not None:
            present.typer_instance.registered_callback = group.typer_instance.registered_callback


def command_line(command: str = "") -> typer.Typer:
    """The command line with every command, or only with what `command` needs, which is quicker to load."""
    services = {point.name: point.value for point in entry_points(group="ringtrue.commands")}
    known = command in OWN or command in services
    own = OWN.get(command, ()) if known else [name for names in OWN.values() for name in names]
    offered = [services[command]] if command in services else [] if known else services.values()
    app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_root)
    for place in dict.fromkeys([*(f"ringtrue.cli.{name}:app" for name in own), *offered]):
        module, _, name = place.partition(":")
        _mount(app, getattr(import_module(module), name))
    return app


def main() -> None:
    """The `ringtrue` command."""
    errors = news()
    configure_logging("warning")  # standard output is for answers
    try:
        command_line(sys.argv[1] if len(sys.argv) > 1 else "")()
    except (Misconfigured, BadRecord) as error:
        errors.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(WRONG_USE)
    except Away as error:
        errors.print(f"[red]away:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(AWAY)

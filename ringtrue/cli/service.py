"""`ringtrue service`: one service, or several in one process, as containers and `ringtrue run` start them."""

import sys
from typing import Annotated

import typer

from ringtrue.service import run_services, stop_event
from ringtrue.settings import load_settings
from ringtrue.telemetry import configure_logging

app = typer.Typer()


@app.command("service")
def service(
    names: Annotated[
        list[str], typer.Argument(help="ingest, asr, assembler, classifier, compliance, archive; one or several.")
    ],
    worker: Annotated[str, typer.Option(help="Only this worker of the service, such as `register`.")] = "",
    slot: Annotated[
        str, typer.Option(help="Stable slot of this process, default RINGTRUE_SLOT; a second one in it replaces it.")
    ] = "",
    with_parent: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Runs one service (or several in one process) until SIGTERM.

    JSON logs go to standard error. With RINGTRUE_METRICS_PORT set, /metrics, /healthz and /readyz are served there.
    RINGTRUE_SOURCE names the bucket (s3://bucket/prefix) or folder that recordings are read from.
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    stop = stop_event(with_parent=with_parent)
    sys.exit(run_services(names, settings, stop, only_worker=worker, slot=slot or settings.slot))

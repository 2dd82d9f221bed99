"""`ringtrue doctor`: checks the settings and everything they point to, and says what to do about what is wrong."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.engine import make_url

from ringtrue import __version__
from ringtrue.console import output
from ringtrue.database import check_schema, open_database, reading
from ringtrue.errors import Away, Misconfigured, RingtrueError
from ringtrue.resources import resource
from ringtrue.service import Context, known_services, load_service, open_log
from ringtrue.settings import Settings, load_settings
from ringtrue.storage import open_store
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.topics import TOPICS

app = typer.Typer()

_ENOUGH_DISK_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    said: str
    away: bool = False


@app.command("doctor")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Checks settings, disk, log, database, source, model and services. Exit code 1: something is
    wrong; 3: a server is away."""
    settings = load_settings()
    checks = list(examine(settings))
    if as_json:
        document = {"settings": shown(settings), "checks": [asdict(check) for check in checks]}
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        table = Table(title=f"ringtrue {__version__}", title_justify="left")
        for heading in ("", "what", "found"):
            table.add_column(heading, overflow="fold")
        for check in checks:
            table.add_row("[green]ok[/]" if check.ok else "[red]no[/]", check.name, check.said)
        output().print(table)
        changed = {
            name: value for name, value in shown(settings).items() if value != shown(Settings.model_construct())[name]
        }
        output().print(f"settings that differ from their defaults: {json.dumps(changed) if changed else 'none'}")
    sys.exit(3 if any(check.away for check in checks) else 0 if all(check.ok for check in checks) else 1)


def shown(settings: Settings) -> dict[str, Any]:
    """The settings, secrets hidden."""
    document = settings.model_dump(mode="json")
    if settings.database.url:
        document["database"]["url"] = make_url(settings.database.url).render_as_string(hide_password=True)
    return document


def examine(settings: Settings) -> Iterator[Check]:
    """Looks at everything that the settings point to."""
    looks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("python", lambda _: sys.version.split()[0]),
        ("data folder", _disk),
        ("log", _log),
        ("database", _database),
        ("source", _source),
        ("model", _model),
        *((f"service {name}", _service(name)) for name in sorted(known_services())),
    )
    for name, look in looks:
        try:
            yield Check(name, True, look(settings))
        except (RingtrueError, OSError, ImportError, ValueError) as error:
            yield Check(name, False, str(error), away=isinstance(error, Away))


def _disk(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    if free < _ENOUGH_DISK_BYTES:
        raise OSError(
            f"{settings.data_dir.resolve()} has {free / 1e9:.1f} GB left; free some, or set RINGTRUE_DATA_DIR"
        )
    return f"{settings.data_dir.resolve()}, {free / 1e9:.0f} GB free"


def _log(settings: Settings) -> str:
    log = open_log(settings)
    try:
        if isinstance(log, EmbeddedLog):
            records = sum(log.ends([topic.name for topic in TOPICS]).values())
            return f"embedded, {settings.log_path}, {log.partitions} partitions, {records} records so far"
        differences = log.differences(TOPICS)
        missing = sum(one.setting == "topic" for one in differences)
        if missing:
            raise Misconfigured(f"{missing} of {len(TOPICS)} topics are missing: `ringtrue topics create` makes them")
        if differences:
            raise Misconfigured(f"{len(differences)} settings of topics are wrong: `ringtrue topics check` says which")
        return f"Kafka, {settings.kafka.bootstrap_servers}, cluster {log.id}, {len(TOPICS)} topics as they should be"
    finally:
        log.close()


def _database(settings: Settings) -> str:
    if not settings.database.url and not (settings.data_dir / "results.sqlite").exists():
        return "none yet; the first run makes one"
    engine = open_database(settings.database_url)
    try:
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
        shown = make_url(settings.database_url).render_as_string(hide_password=True)
        check_schema(engine)
        return shown
    finally:
        engine.dispose()


def _source(settings: Settings) -> str:
    if not settings.source:
        return "none set (RINGTRUE_SOURCE); `ringtrue run FOLDER` names one"
    source = open_store(settings.source, settings.s3)
    first = next(iter(source.store.list(source.bucket, source.prefix)), None)
    return f"{settings.source}, {'empty' if first is None else 'readable'}"


def _model(settings: Settings) -> str:
    engine, model = settings.asr.engine, settings.asr.model
    if engine == "stub":
        return "the stub engine: its words are invented"
    if not model and engine == "ctc":
        return f"the demo model, {resource('models/demo')}"
    return f"{model or 'none set (RINGTRUE_ASR__MODEL)'}, for the engine {engine}"


def _service(name: str) -> Callable[[Settings], str]:
    def look(settings: Settings) -> str:
        log = open_log(settings)
        try:
            # Whether it can be made does not hang on which recordings it is for.
            source = settings.source or str(settings.data_dir)
            workers = load_service(name).workers(Context(settings.model_copy(update={"source": source}), log))
        finally:
            log.close()
        return ", ".join(worker.name for worker in workers)

    return look

"""`ringtrue run`: all stages on one machine, over a folder or a bucket."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ringtrue.cli.summary import summarise
from ringtrue.console import news
from ringtrue.database import open_database, upgrade
from ringtrue.errors import WrongUse
from ringtrue.local import STAGES, Pipeline, belongs_to, data_folder
from ringtrue.service import open_log
from ringtrue.settings import Settings, load_settings
from ringtrue.storage import open_store
from ringtrue.streaming.port import Log
from ringtrue.streaming.topics import TOPICS
from ringtrue.telemetry import configure_logging

app = typer.Typer()

_LOOK_EVERY_S = 0.1
_SAY_EVERY_S = 5.0
_TIDY_EVERY_S = 60.0
_WATCHED = tuple(stage.topic for stage in STAGES)


@app.command("run")
def run(
    source: Annotated[
        str, typer.Argument(help="A folder of recordings, sidecars and manifests, or s3://bucket/prefix.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="End when everything found is judged.")] = False,
) -> None:
    """Runs all stages on this machine over a folder or a bucket.

    Without --once the source is watched until Ctrl-C. A run that is interrupted goes on where it was; a second run
    over the same source handles only what is new. Data is kept in RINGTRUE_DATA_DIR (default ringtrue-data).
    Exit code 1: something was refused or failed; the summary says what and why.
    """
    settings = with_source(load_settings(), source)
    configure_logging(settings.log_level)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop as Ctrl-C does, also as process 1 of a container
    with running(settings, once=once) as (pipeline, log), follow(log, pipeline) as show:
        try:
            wait(pipeline, log, show, until=pipeline.idle if once else lambda: False)
        except KeyboardInterrupt:
            news().print("stopping; the next run goes on from here")
    sys.exit(summarise(settings))


def with_source(settings: Settings, source: str) -> Settings:
    """The settings with this source, a folder's path made absolute.

    Raises:
        WrongUse: No source was given, neither here nor by RINGTRUE_SOURCE.
        StorageMisconfigured: There is no such source.
    """
    source = source or settings.source
    if not source:
        raise WrongUse("which recordings? Name a folder or s3://bucket/prefix, or set RINGTRUE_SOURCE")
    open_store(source, settings.s3)
    data_dir = settings.data_dir.resolve()
    if "://" not in source:
        source = str(Path(source).resolve())
        if data_dir.is_relative_to(source):
            raise WrongUse(
                f"the data folder {data_dir} lies among the recordings: set RINGTRUE_DATA_DIR to a place outside"
            )
    return settings.model_copy(update={"source": source, "data_dir": data_dir})


@contextmanager
def running(settings: Settings, *, once: bool) -> Iterator[tuple[Pipeline, Log]]:
    """The stages, running."""
    with data_folder(settings) as lock:
        engine = open_database(settings.database_url)
        upgrade(engine)
        engine.dispose()
        log = open_log(settings)
        log.create_topics(TOPICS)
        belongs_to(settings, lock, log)
        pipeline = Pipeline(settings, log, once=once)
        pipeline.start()
        try:
            yield pipeline, log
        finally:
            pipeline.stop()
            log.tidy()
            log.close()


def wait(pipeline: Pipeline, log: Log, show: Callable[[], None], until: Callable[[], bool]) -> None:
    """Keeps the stages alive and shows how far they are, until `until` says so."""
    next_tidy = time.monotonic() + _TIDY_EVERY_S
    while not until():
        pipeline.check()
        show()
        if time.monotonic() >= next_tidy:
            log.tidy()
            next_tidy = time.monotonic() + _TIDY_EVERY_S
        time.sleep(_LOOK_EVERY_S)
    show()


@contextmanager
def follow(log: Log, pipeline: Pipeline) -> Iterator[Callable[[], None]]:
    """Shows each stage's count on standard error: live bars on a terminal, a line now and then elsewhere."""
    console = news()
    start = dict(log.ends(_WATCHED))
    for (group, topic), left in pipeline.backlog().items():
        if any((stage.group, stage.topic) == (group, topic) for stage in STAGES):
            start[topic] -= left
    if console.is_terminal:
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            tasks = {stage.title: progress.add_task(stage.title, total=None) for stage in STAGES}
            yield lambda: _bars(progress, tasks, counts(log, pipeline, start))
        return
    said = [0.0]

    def say() -> None:
        if time.monotonic() - said[0] >= _SAY_EVERY_S:
            said[0] = time.monotonic()
            done = counts(log, pipeline, start)
            console.print(", ".join(f"{title} {count}/{total}" for title, (count, total) in done.items()))

    yield say


def counts(log: Log, pipeline: Pipeline, start: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Per stage, how many records it has handled since `start`, and of how many."""
    backlog, ends = pipeline.backlog(), log.ends(_WATCHED)
    totals = {stage: max(0, ends[stage.topic] - start.get(stage.topic, 0)) for stage in STAGES}
    return {stage.title: (max(0, total - backlog[stage.group, stage.topic]), total) for stage, total in totals.items()}


def _bars(progress: Progress, tasks: Mapping[str, TaskID], done: Mapping[str, tuple[int, int]]) -> None:
    for title, (count, total) in done.items():
        progress.update(tasks[title], completed=count, total=total or None)

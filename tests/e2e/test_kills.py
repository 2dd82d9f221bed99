"""Kills the whole run with SIGKILL at every stage, before and after its commit: the final tables must not differ."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ringtrue.database import open_database
from ringtrue.local import Pipeline, data_folder
from ringtrue.service import open_log
from ringtrue.settings import AsrSettings, IngestSettings, Settings
from ringtrue.streaming.faults import KILL
from tests.e2e.folder import make_folder

#: Mostly each still has something to do when its turn comes: last come those whom every listing's marks reach.
WORKERS = (
    "ingest-register",
    "ingest-manifests",
    "compliance-orders",
    "ingest-segment",
    "asr",
    "assembler",
    "classifier",
    "compliance-facts",
    "compliance-judge",
    "archive",
)
#: What may differ between two runs: when it happened, numbers that are taken from the clock, and bytes that hold them.
CLOCKED = ("_ms", "run", "revision", "evaluation", "etag", "offset", "partition", "log_id", "headers", "value")
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("source") / "bucket")


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    settings = settings_for(folder, tmp_path_factory.mktemp("undisturbed"))
    assert run(settings) == "done"
    return tables(settings)


def settings_for(folder: Path, data: Path) -> Settings:
    defaults = Settings.model_construct()
    return defaults.model_copy(
        update={
            "source": str(folder),
            "data_dir": data,
            "asr": AsrSettings(engine="stub"),
            "ingest": IngestSettings(decoders=1),
            "log_level": "warning",
        }
    )


def run(settings: Settings, kill: str = "") -> str:
    """Runs the stages to their end, or until one dies at the mark `kill`; then all of them are killed."""
    with data_folder(settings), killing(kill):
        log = open_log(settings)
        pipeline = Pipeline(settings, log, once=True)
        pipeline.start()
        deadline = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < deadline:
                codes = pipeline.exit_codes()
                if -signal.SIGKILL in codes:
                    return "killed"
                if pipeline.idle():
                    return "done"
                assert all(code in (None, 0) for code in codes), (settings.data_dir / "services.log").read_text()
                time.sleep(0.02)
            return "stuck"
        finally:
            pipeline.kill() if kill else pipeline.stop()
            log.close()


@contextlib.contextmanager
def killing(mark: str) -> Iterator[None]:
    before = os.environ.get(KILL)
    if mark:
        os.environ[KILL] = mark
    try:
        yield
    finally:
        os.environ.pop(KILL, None)
        if before is not None:
            os.environ[KILL] = before


def tables(settings: Settings) -> dict[str, list[Any]]:
    """Every table's rows as sets of what does not depend on the clock."""
    engine = open_database(settings.database_url)
    metadata = sa.MetaData()
    metadata.reflect(engine)
    rows = dict[str, list[Any]]()
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            # Which evaluations lay between depends on the order of arrival; what stands in the end does not.
            if table.name in ("positions", "alembic_version", "verdicts"):
                continue
            columns = [column for column in table.columns if not column.name.endswith(CLOCKED)]
            rows[table.name] = sorted(repr(tuple(row)) for row in connection.execute(sa.select(*columns)))
        rows["verdicts"] = sorted(repr(row) for row in connection.execute(sa.text(LATEST_VERDICTS)))
    engine.dispose()
    return rows


LATEST_VERDICTS = """
SELECT case_id, verdict, comment FROM verdicts v
WHERE evaluation = (SELECT max(evaluation) FROM verdicts w WHERE w.case_id = v.case_id)
"""


def test_an_undisturbed_run_finds_what_the_folder_was_made_for(undisturbed: dict[str, list[Any]]) -> None:
    assert len(undisturbed["calls"]) == 6
    assert len(undisturbed["orders"]) == 2
    assert len(undisturbed["dead_letters"]) == 2
    assert ["'compliant'" in row for row in undisturbed["verdicts"]] == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["handled", "committed"])
def test_a_run_killed_at_every_stage_ends_with_the_same_tables(
    mark: str, folder: Path, undisturbed: dict[str, list[Any]], tmp_path: Path
) -> None:
    settings = settings_for(folder, tmp_path / "first")
    for worker in WORKERS:
        kill = f"{worker}:{mark}:1"
        ended = run(settings, kill)
        if ended == "done":  # nothing was left for this worker: once more where everything is still to be done
            assert tables(settings) == undisturbed
            settings = settings_for(folder, tmp_path / worker)
            ended = run(settings, kill)
        assert ended == "killed", worker
    assert run(settings) == "done"
    assert tables(settings) == undisturbed

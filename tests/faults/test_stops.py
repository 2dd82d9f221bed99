"""SIGTERM at inconvenient moments: fault 17 of the list."""

import signal

import pytest

from ringtrue.streaming.faults import Mark
from tests.faults.conftest import Row
from tests.faults.pipeline import Pipeline, calls
from tests.faults.process import Fault

pytestmark = pytest.mark.servers


def test_a_worker_told_to_stop_while_it_computes_ends_its_turn_first(pipeline: Pipeline, row: Row) -> None:
    row("17 SIGTERM: compute", "SIGTERM to copier and assembler while a batch is being computed")
    pipeline.feed(calls(10))
    copier = pipeline.start("copier", pause_at=3)
    assembler = pipeline.start("assembler", pause_at=3)
    for child in (copier, assembler):
        child.says("computing")
        child.signal(signal.SIGTERM)
        child.tell()
        assert child.ends() == 0, child.tail()
        assert "another process" not in child.tail()
    pipeline.start("copier")
    pipeline.start("assembler")
    pipeline.check()
    row.saw(f"exit code 0 twice; {pipeline.seen()}")


@pytest.mark.parametrize(
    "mark",
    [
        pytest.param("written", marks=pytest.mark.whole),
        "sent",
        pytest.param("decided", marks=pytest.mark.whole),
    ],
)
def test_a_worker_told_to_stop_within_a_transaction_commits_it_and_ends(
    mark: Mark, pipeline: Pipeline, row: Row
) -> None:
    row(f"17 SIGTERM: {mark}", "SIGTERM to copier and assembler within a transaction")
    pipeline.feed(calls(10))
    for role in ("copier", "assembler"):
        child = pipeline.start(role, at=Fault(mark, 6).stops(), session_s=10.0)
        child.is_stopped()
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGCONT)
        assert child.ends() == 0, child.tail()
    pipeline.start("copier")
    pipeline.start("assembler", session_s=10.0)
    pipeline.check()
    row.saw(f"exit code 0 twice; {pipeline.seen()}")


@pytest.mark.parametrize("mark", ["barrier", pytest.param("restoring", marks=pytest.mark.whole)])
def test_a_worker_told_to_stop_while_it_restores_ends_in_good_order(mark: Mark, pipeline: Pipeline, row: Row) -> None:
    row(f"17 SIGTERM: {mark}", "SIGTERM to an assembler while it brings its state back")
    half = calls(10)
    pipeline.feed(half, heard=False)
    pipeline.start("copier")
    first = pipeline.start("assembler")
    assert pipeline.observer.until(lambda: len(pipeline.observer.state) == 40, 30)  # 10 open calls, 30 parts
    first.kill()
    child = pipeline.start("assembler", at=Fault(mark).stops(), session_s=10.0)
    child.is_stopped()
    child.signal(signal.SIGTERM)
    child.signal(signal.SIGCONT)
    assert child.ends() == 0, child.tail()
    pipeline.start("assembler", session_s=10.0)
    pipeline.feed(half, audio=False)
    pipeline.check()
    row.saw(f"exit code 0; {pipeline.seen()}")

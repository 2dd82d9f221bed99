"""Kills a worker at every mark of a turn and of a restore: fault 1 of the list."""

import signal

import pytest

from ringtrue.streaming.faults import Mark
from tests.faults.conftest import Row
from tests.faults.pipeline import Pipeline, calls
from tests.faults.process import Fault

pytestmark = pytest.mark.servers

#: In the order of a turn: what a reader can see of the killed one.
_MARKS: dict[Mark, str] = {
    "received": "nothing written",
    "handled": "nothing written",
    "begun": "a transaction open and empty",
    "written": "a transaction half written",
    "flushed": "a transaction written, without positions",
    "sent": "a transaction with pending positions",
    "decided": "committed, not merged into the store",
    "committed": "committed and merged",
}


def _whole_but(quick: tuple[Mark, ...], marks: list[Mark]) -> list[object]:
    return [pytest.param(mark, marks=() if mark in quick else pytest.mark.whole) for mark in marks]


@pytest.mark.parametrize("mark", _whole_but(("written", "sent", "decided"), list(_MARKS)))
def test_a_worker_killed_at_this_mark_is_followed_by_one_that_neither_loses_nor_doubles(
    mark: Mark, pipeline: Pipeline, row: Row
) -> None:
    row(f"1 kill -9: {mark}", f"copier and assembler killed where {_MARKS[mark]}")
    pipeline.feed(calls(20))
    # The first transactions write barriers and notes.
    late = 5 if mark in ("written", "begun", "flushed", "sent", "decided") else 2
    copier = pipeline.start("copier", at=Fault(mark, late))
    assembler = pipeline.start("assembler", at=Fault(mark, late))
    assert copier.ends() == -signal.SIGKILL
    pipeline.start("copier")
    assert assembler.ends() == -signal.SIGKILL
    pipeline.start("assembler")
    pipeline.feed(calls(10, "later"))
    pipeline.check()
    row.saw(f"both died; {pipeline.seen()}")


_RESTORES: list[Mark] = ["fetched", "barrier", "restoring", "restored"]


@pytest.mark.parametrize("mark", _whole_but(("restoring",), _RESTORES))
def test_a_worker_killed_while_it_brings_its_state_back_is_followed_by_one_that_has_it(
    mark: Mark, pipeline: Pipeline, row: Row
) -> None:
    row(f"1 kill -9: {mark}", "assembler killed during its restore, cache kept and cache lost")
    half = calls(20)
    pipeline.feed(half, heard=False)
    pipeline.start("copier")
    first = pipeline.start("assembler", folder=str(pipeline.folder / "machine"))
    assert pipeline.observer.until(lambda: len(pipeline.observer.state) == 80, 30)  # 20 open calls, 60 parts
    first.kill()
    for folder in ("machine", "another"):
        dying = pipeline.start("assembler", at=Fault(mark), folder=str(pipeline.folder / folder))
        assert dying.ends() == -signal.SIGKILL
    pipeline.start("assembler", folder=str(pipeline.folder / "another"))
    pipeline.feed(half, audio=False)
    pipeline.check()
    row.saw(f"died twice in its restore; {pipeline.seen()}")

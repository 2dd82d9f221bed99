"""Workers come and go under load: faults 5 and 6 of the list."""

import signal

import pytest

from tests.faults.conftest import Row
from tests.faults.pipeline import Pipeline, calls
from tests.faults.process import Fault

pytestmark = pytest.mark.servers


def test_a_rolling_restart_under_load_loses_and_doubles_nothing(pipeline: Pipeline, row: Row) -> None:
    row("5 rolling restart", "two slots of copier and assembler stopped and started again in turn, twice, under load")
    running = {(role, slot): pipeline.start(role, slot=slot) for role in ("copier", "assembler") for slot in ("0", "1")}
    with pipeline.load(150, 0.05):
        for role, slot in [*running] * 2:
            running[role, slot].says("ready")
            running[role, slot].signal(signal.SIGTERM)
            assert running[role, slot].ends() == 0, running[role, slot].tail()
            running[role, slot] = pipeline.start(role, slot=slot)
    pipeline.check()
    row.saw(f"8 restarts, each with exit code 0; {pipeline.seen()}")


def test_scaling_up_and_down_under_load_loses_and_doubles_nothing(pipeline: Pipeline, row: Row) -> None:
    row(
        "6 scale 1-3-1",
        "copier and assembler from one slot to three and back, two by SIGTERM and two by SIGKILL, under load",
    )
    for role in ("copier", "assembler"):
        pipeline.start(role)
    with pipeline.load(120, 0.05):
        pipeline.closes(calls(3, "load"))
        more = [pipeline.start(role, slot=slot) for role in ("copier", "assembler") for slot in ("1", "2")]
        for child in more:
            child.says("ready")  # before that SIGTERM may meet a process that does not listen for it yet
        pipeline.closes(calls(50, "load"))
        for child, number in zip(more, (signal.SIGTERM, signal.SIGKILL) * 2, strict=True):
            child.signal(number)
            assert child.ends() in (0, -signal.SIGKILL), child.tail()
    pipeline.check()
    row.saw(pipeline.seen())


def test_scaling_while_state_is_being_restored_gives_each_partition_to_one_who_has_its_state(
    pipeline: Pipeline, row: Row
) -> None:
    row("6 scale in restore", "an assembler held in its restore while two more slots join, then let go, then killed")
    half = calls(20)
    pipeline.feed(half, heard=False)
    pipeline.start("copier")
    first = pipeline.start("assembler")
    assert pipeline.observer.until(lambda: len(pipeline.observer.state) == 80, 30)  # 20 open calls, 60 parts
    first.kill()
    restoring = pipeline.start("assembler", at=Fault("restoring").stops())
    restoring.is_stopped()
    others = [pipeline.start("assembler", slot=slot) for slot in ("1", "2")]
    pipeline.feed(half[:10], audio=False)
    pipeline.closes(half[:10])
    restoring.signal(signal.SIGCONT)
    pipeline.feed(half[10:15], audio=False)
    pipeline.closes(half[10:15])
    for child in others:
        child.signal(signal.SIGTERM)
        assert child.ends() == 0, child.tail()
    pipeline.feed(half[15:], audio=False)
    pipeline.check()
    row.saw(pipeline.seen())

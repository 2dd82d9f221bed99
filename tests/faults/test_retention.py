"""Records that are gone when somebody wants to read them: faults 9 and 19, and audio that an outage outlasted."""

import time
from dataclasses import replace

import pytest

from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import SEGMENTS_AUDIO
from tests.faults.conftest import Row
from tests.faults.job import PARTITIONS
from tests.faults.observer import STATE, is_change
from tests.faults.pipeline import Call, Pipeline, calls
from tests.faults.process import Fault

pytestmark = pytest.mark.servers


def test_a_committed_position_below_the_first_record_alarms_and_goes_on(pipeline: Pipeline, row: Row) -> None:
    row("19 position expired", "the copier down, segments.audio emptied beyond its position")
    before, lost, after = calls(6), calls(6, "lost"), calls(6, "after")
    pipeline.feed(before)
    copier = pipeline.start("copier")
    assembler = pipeline.start("assembler", lost_after_s=15.0)
    pipeline.closes(before)
    copier.kill()
    pipeline.log.append([part for call in lost for part in call.audio])
    pipeline.forget(SEGMENTS_AUDIO)
    pipeline.feed(after)
    copier = pipeline.start("copier")
    pipeline.check()
    assert "records expired unread" in copier.tail()
    assert assembler.process.poll() is None
    row.saw(f"alarm 'records expired unread', went on with what is there; {pipeline.seen()}")


def test_calls_whose_audio_expired_in_an_outage_come_back_as_new_runs(pipeline: Pipeline, row: Row) -> None:
    row("audio expired", "segments.audio emptied while the copier is down; the assembler gives calls up after 5 s")
    lost = [*calls(3, "half"), *calls(3, "none")]
    pipeline.log.append([call.heard for call in lost] + [call.audio[0] for call in lost[:3]])
    assembler = pipeline.start("assembler", lost_after_s=5.0)
    copier = pipeline.start("copier")
    assert pipeline.observer.until(lambda: len(pipeline.observer.state) == 9, 20)  # 6 calls, 3 parts
    copier.kill()
    pipeline.log.append([part for call in lost for part in call.audio[1:]])
    pipeline.forget(SEGMENTS_AUDIO)
    pipeline.start("copier")
    pipeline.closes(lost)
    closed = pipeline.observer.closed
    assert [(closed[call.call_id, 1].status, _reason(pipeline, call)) for call in lost] == [
        ("failed", "lost_parts")
    ] * 6
    observer = pipeline.observer
    assert observer.until(lambda: len(observer.commands) == 6, 10)
    assert {(one.call_id, one.command, one.stage) for one in observer.commands} == {
        (call.call_id, "reprocess", "segment") for call in lost
    }
    again = [Call(call.call_id, run=2) for call in lost]  # as the register would
    pipeline.feed(again)
    pipeline.fed += lost
    pipeline.check(failed=lost)
    assert len(observer.commands) == 6
    assert assembler.process.poll() is None
    row.saw("6 calls closed as lost_parts, one command each, and complete as run 2")


def test_state_is_whole_after_its_topic_was_compacted_as_hard_as_can_be(pipeline: Pipeline, row: Row) -> None:
    row(
        "9 compaction", "state topic compacted at once, before a restore without cache and during one with an old cache"
    )
    pipeline.configure(STATE, segment_ms="100", min_cleanable_dirty_ratio="0.001", max_compaction_lag_ms="100")
    half = calls(15)
    pipeline.feed(half, heard=False)
    pipeline.start("copier")
    first = pipeline.start("assembler", folder=str(pipeline.folder / "old"))
    assert pipeline.observer.until(lambda: len(pipeline.observer.state) == 60, 30)  # 15 open calls, 45 parts
    first.kill()
    second = pipeline.start("assembler")
    pipeline.feed(half[:5], audio=False)
    pipeline.closes(half[:5])
    second.kill()
    gone = _compacted(pipeline)
    third = pipeline.start(
        "assembler", folder=str(pipeline.folder / "old"), at=Fault("barrier").stops(), session_s=20.0
    )
    third.is_stopped()
    time.sleep(1.5)  # the cleaner works twice a second
    third.kill()
    fourth = pipeline.start("assembler", folder=str(pipeline.folder / "old"), session_s=20.0)
    pipeline.feed(half[5:10], audio=False)
    pipeline.closes(half[5:10])
    fourth.kill()
    pipeline.start("assembler", session_s=20.0)
    pipeline.feed(half[10:], audio=False)
    pipeline.check()
    row.saw(f"{gone} records compacted away; {len(half)} calls closed once each, state whole")


def _compacted(pipeline: Pipeline) -> int:
    """Waits for the cleaner; how many records it took away."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        gone = pipeline.observer.changes - len([one for one in pipeline.uncommitted(STATE) if is_change(one)])
        if gone > 20:
            return gone
        # A segment is cleaned when it is closed, and closed when another record comes.
        barrier = Outgoing(STATE.name, b"!barrier %d" % PARTITIONS, b"")
        pipeline.log.append([replace(barrier, partition=number) for number in range(PARTITIONS)])
        time.sleep(0.2)
    raise AssertionError("the state topic was not compacted")


def _reason(pipeline: Pipeline, call: Call) -> str:
    failure = pipeline.observer.closed[call.call_id, 1].failure
    return failure.reason if failure else ""

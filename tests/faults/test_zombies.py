"""Processes that go on although another one has taken their place: faults 2, 3, 4, 7, 8, 13 and a zombie's timer."""

import signal
import time

import pytest
from confluent_kafka import Producer

from ringtrue.streaming.faults import Mark
from tests.faults.conftest import Row
from tests.faults.pipeline import Call, Pipeline, calls
from tests.faults.process import Fault

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(
    "mark",
    [
        "handled",
        pytest.param("written", marks=pytest.mark.whole),
        pytest.param("flushed", marks=pytest.mark.whole),
        pytest.param("sent", marks=pytest.mark.whole),
    ],
)
def test_a_worker_that_wakes_after_its_session_in_the_middle_of_a_turn_commits_nothing_of_it(
    mark: Mark, pipeline: Pipeline, row: Row
) -> None:
    row(
        f"2 SIGSTOP: {mark}",
        "copier and assembler stopped there past the session time-out, another slot takes over, SIGCONT",
    )
    pipeline.feed(calls(20))
    late = 4 if mark == "handled" else 7
    stopped = [
        pipeline.start(role, at=Fault(mark, late).stops(), transaction_s=5.0) for role in ("copier", "assembler")
    ]
    for child in stopped:
        child.is_stopped()
        pipeline.start("copier" if child is stopped[0] else "assembler", slot="1")
    pipeline.closes(pipeline.fed)
    for child in stopped:
        child.signal(signal.SIGCONT)
    pipeline.feed(calls(20, "later"))
    pipeline.check()
    alive = [child.process.poll() for child in stopped]
    assert all(code in (None, 1) for code in alive), alive
    row.saw(f"the zombies' turns were dropped, exit codes {alive}; {pipeline.seen()}")


def test_a_batch_that_computes_longer_than_the_poll_interval_is_dropped_and_done_by_another(
    pipeline: Pipeline, row: Row
) -> None:
    row("3 long compute", "copier and assembler compute past max.poll.interval.ms while another slot takes over")
    pipeline.feed(calls(12))
    slow = [pipeline.start(role, pause_at=2, max_poll_s=2.0) for role in ("copier", "assembler")]
    slow[0].says("computing")
    pipeline.start("copier", slot="1")
    slow[1].says("computing")
    pipeline.start("assembler", slot="1")
    pipeline.closes(pipeline.fed)
    for child in slow:
        child.tell()
    pipeline.feed(calls(12, "later"))
    pipeline.check()
    for child in slow:
        child.signal(signal.SIGTERM)
        assert child.ends() == 0
    row.saw(f"both came back into their groups and stopped in good order; {pipeline.seen()}")


def test_of_two_processes_in_one_slot_the_older_one_ends_and_says_so(pipeline: Pipeline, row: Row) -> None:
    row("4 duplicate slot", "a second copier and a second assembler join with the slot of the first, under load")
    with pipeline.load(240, 0.05):  # who has nothing to commit would not notice
        older = [pipeline.start(role) for role in ("copier", "assembler")]
        pipeline.closes(calls(5, "load"))
        newer = [pipeline.start(role) for role in ("copier", "assembler")]
        codes = [child.ends() for child in older]
    assert codes == [1, 1], [child.tail() for child in older]
    assert all("another process" in child.tail() for child in older)
    pipeline.check()
    assert [child.process.poll() for child in newer] == [None, None]
    row.saw(f"the older ones ended with code 1 and a reason; {pipeline.seen()}")


@pytest.mark.parametrize("decided", [False, pytest.param(True, marks=pytest.mark.whole)])
def test_who_takes_over_waits_for_what_is_open_on_the_state_topic(decided: bool, pipeline: Pipeline, row: Row) -> None:
    if decided:
        row(
            "8 last record aborted",
            "assembler killed with its records on the state topic, aborted before another slot joins",
        )
    else:
        row(
            "7 open transaction", "assembler killed with a transaction open on the state topic; another slot takes over"
        )
    pipeline.feed(calls(12))
    pipeline.start("copier")
    dying = pipeline.start("assembler", at=Fault("flushed", 6), transaction_s=4.0)
    assert dying.ends() == -signal.SIGKILL
    died_at = time.monotonic()
    if decided:
        _abort(pipeline, "assembler", "0")
    pipeline.start("assembler", slot="1", transaction_s=4.0)
    pipeline.closes(pipeline.fed)
    took_s = time.monotonic() - died_at
    pipeline.feed(calls(5, "later"))
    pipeline.check()
    row.saw(f"the successor was done {took_s:.1f} s after the death; {pipeline.seen()}")


def _abort(pipeline: Pipeline, group: str, slot: str) -> None:
    """Ends the open transaction of a slot as its restart would."""
    name = f"{pipeline.prefix}{group}-{slot}"
    producer = Producer({"bootstrap.servers": pipeline.bootstrap, "transactional.id": name})
    producer.init_transactions(30)


@pytest.fixture
def lost(pipeline: Pipeline) -> Call:
    """A call of which one part never comes."""
    call = Call("bucket/lost", 3)
    pipeline.log.append([call.heard, *call.audio[:2]])
    return call


def test_a_timer_fires_on_a_partition_that_nothing_arrives_on(lost: Call, pipeline: Pipeline, row: Row) -> None:
    row("13 idle partition", "no record arrives any more, a call's deadline of 2 s passes")
    pipeline.start("copier")
    pipeline.start("assembler", lost_after_s=2.0)
    pipeline.closes([lost], 20)
    result = pipeline.observer.closed[lost.call_id, 1]
    assert (result.status, result.failure and result.failure.reason) == ("failed", "lost_parts")
    assert pipeline.observer.until(lambda: len(pipeline.observer.commands) == 1, 10)
    assert pipeline.observer.problems == []
    row.saw("closed as failed (lost_parts) without traffic, once; one new run commanded")


@pytest.mark.parametrize("mark", ["begun", pytest.param("flushed", marks=pytest.mark.whole)])
def test_a_zombies_timer_on_an_idle_partition_closes_nothing_a_second_time(
    mark: Mark, lost: Call, pipeline: Pipeline, row: Row
) -> None:
    row(f"zombie's timer: {mark}", "assembler stopped in the transaction of a timer; another slot fires it; SIGCONT")
    pipeline.start("copier")
    assembler = pipeline.start("assembler", lost_after_s=6.0)
    assert pipeline.observer.until(lambda: len(pipeline.observer.state) == 3, 20)
    assembler.signal(signal.SIGTERM)
    assert assembler.ends() == 0
    # The first transaction writes the barriers, the second the notes, the third is the timer's.
    zombie = pipeline.start("assembler", at=Fault(mark, 3).stops(), lost_after_s=1.0, transaction_s=60.0)
    zombie.is_stopped()
    pipeline.start("assembler", slot="1", lost_after_s=1.0)
    if mark == "flushed":  # its records stand open in the topics: nobody may read on
        assert not pipeline.observer.until(lambda: pipeline.is_closed([lost]), 4)
        zombie.signal(signal.SIGCONT)
        pipeline.closes([lost], 30)
    else:
        pipeline.closes([lost], 30)
        zombie.signal(signal.SIGCONT)
    time.sleep(3)
    assert pipeline.observer.problems == []
    assert len(pipeline.observer.commands) == 1
    row.saw("closed once, by its successor; one command")

"""The register: which runs it asks for, on whose word, and what it counts and vouches for."""

import pytest

from ringtrue.messages import CallCommand, CallRegistered, CallWanted, CoverageMark
from ringtrue.streaming.topics import CALLS_COMMANDS, CALLS_REGISTERED, CALLS_WANTED, RECORDINGS_SEEN
from tests.unit.workers.bench import only
from tests.unit.workers.conftest import MakeBench
from tests.unit.workers.registering import CALL, HOUR_MS, START_MS, Ingest, sidecar
from tests.unit.workers.shelf import BUCKET


@pytest.fixture
def ingest(make_bench: MakeBench) -> Ingest:
    return Ingest(make_bench)


def test_a_reprocess_command_is_a_greater_run_of_the_same_recording(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    first = only(ingest.registered())
    ingest.requested()
    command = CallCommand(call_id=CALL, command="reprocess", stage="segment", reason="", event_time_ms=5)
    ingest.bench.feed(CALLS_COMMANDS, command, command)
    runs = [call.run for call in ingest.registered()]
    assert first.run < runs[0] < runs[1]
    assert [(run.run, run.etag) for run in ingest.requested()] == [(number, first.etag) for number in runs]


def test_a_command_for_an_unknown_call_is_refused(ingest: Ingest) -> None:
    ingest.bench.feed(
        CALLS_COMMANDS, CallCommand(call_id=CALL, command="reprocess", stage="segment", reason="", event_time_ms=5)
    )
    assert not ingest.registered()
    assert ingest.bench.refusals() == ["unknown_call"]


def wanted(call_id: str = CALL) -> CallWanted:
    return CallWanted(call_id=call_id, case_id="CMD-1@20261118T190000Z", event_time_ms=9)


def test_a_call_is_asked_for_when_an_order_wants_it_once_and_again_with_each_new_version(make_bench: MakeBench) -> None:
    ingest = Ingest(make_bench, select_all=False)
    ingest.upload("day/a.wav", b"sound")
    first = only(ingest.registered())
    assert not first.requested
    assert not ingest.requested()
    ingest.bench.feed(CALLS_WANTED, wanted(), wanted())
    second = only(ingest.registered())
    assert (second.requested, second.run) == (True, first.run)
    assert second.revision > first.revision
    assert only(ingest.requested()).run == first.run
    ingest.upload("day/a.wav", b"new sound")
    assert only(ingest.registered()).requested
    assert len(ingest.requested()) == 1


def test_a_call_that_is_under_way_is_not_asked_for_again_when_an_order_wants_it(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    ingest.bench.feed(CALLS_WANTED, wanted())
    ingest.registered()
    assert len(ingest.requested()) == 1


def test_a_wanted_call_that_nobody_knows_is_answered_as_failed(make_bench: MakeBench) -> None:
    ingest = Ingest(make_bench, select_all=False)
    ingest.bench.feed(CALLS_WANTED, wanted())
    answer = only(ingest.registered())
    assert (answer.call_id, answer.status, answer.run) == (CALL, "failed", 0)
    assert answer.failure is not None
    assert answer.failure.reason == "unknown_call"
    assert ingest.bench.refusals() == ["unknown_call"]
    ingest.upload("day/a.wav", b"sound")
    assert only(ingest.registered()).run > 0


def test_an_unassigned_call_moves_to_the_assigned_ones_of_its_hour(ingest: Ingest) -> None:
    ingest.upload("day/a.json", b'{"DATE_DEBUT": "2026-11-18 10:15:00"}')
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/b.json", sidecar())
    ingest.upload("day/b.wav", b"sound b")
    ingest.registered()
    assert ingest.hours() == {START_MS: (2, 1, 0)}
    ingest.upload("day/a.json", sidecar())
    ingest.registered()
    assert ingest.hours() == {START_MS: (2, 0, 0)}
    ingest.upload("day/a.json", sidecar(DATE_DEBUT="2026-11-18 12:30:00"))
    ingest.registered()
    assert ingest.hours() == {START_MS: (1, 0, 0), START_MS + 2 * HOUR_MS: (1, 0, 0)}


def test_a_recording_of_which_nothing_is_known_is_counted_in_the_hour_of_its_writing(ingest: Ingest) -> None:
    ingest._clock_ms = START_MS + 3 * HOUR_MS
    ingest.upload("day/a.wav", b"sound")
    ingest.registered()
    assert ingest.hours() == {START_MS + 3 * HOUR_MS: (0, 0, 1)}
    ingest.upload("day/a.json", sidecar())
    ingest.registered()
    assert ingest.hours() == {START_MS: (1, 0, 0)}


def test_a_new_run_counts_its_recording_once(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/a.wav", b"new sound")
    ingest.bench.feed(
        CALLS_COMMANDS, CallCommand(call_id=CALL, command="reprocess", stage="segment", reason="", event_time_ms=5)
    )
    ingest.registered()
    assert ingest.hours() == {START_MS: (1, 0, 0)}


def mark(until_ms: int, partition: int = 0) -> CoverageMark:
    return CoverageMark(
        source_partition=partition, scope=f"{BUCKET}/", since_ms=0, until_ms=until_ms, hours=(), event_time_ms=until_ms
    )


def test_a_mark_goes_to_every_partition_behind_what_it_vouches_for_with_the_hours_of_its_own(
    make_bench: MakeBench,
) -> None:
    ingest = Ingest(make_bench, partitions=2)
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    home = only([record.partition for record in ingest.bench.log.browse(RECORDINGS_SEEN.name)][:1])
    for partition in (0, 1):
        ingest.bench.feed(RECORDINGS_SEEN, mark(9_000, partition), partition=partition)
    ingest.bench.run()
    for partition in (0, 1):
        marks = ingest.bench.sent(CALLS_REGISTERED, CoverageMark, partition=partition)
        assert {(one.source_partition, one.until_ms) for one in marks} == {(0, 9_000), (1, 9_000)}
        hours = {one.source_partition: [(count.registered, count.unassigned) for count in one.hours] for one in marks}
        assert hours == {home: [(1, 0)], 1 - home: []}
    assert isinstance(ingest.bench.sent(CALLS_REGISTERED, object, partition=home)[0], CallRegistered)

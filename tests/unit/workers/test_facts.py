"""Facts: what the register and the classifier know of a call reaches the judge of its client, and only that one."""

from dataclasses import replace

import pytest

from ringtrue.messages import (
    Answer,
    CallClassified,
    CallFacts,
    CallRegistered,
    CoverageMark,
    Failure,
    Heard,
    HourCount,
    Ring,
    Tone,
)
from ringtrue.streaming.topics import CALLS_CLASSIFIED, CALLS_FACTS, CALLS_REGISTERED
from services.compliance.facts import Facts
from tests.unit.workers.bench import Bench, only
from tests.unit.workers.conftest import MakeBench

CALL = "recordings/day/a"
CLIENT, OTHER = "212600000001", "212600000002"
HEARD = Heard(
    duration_ms=30_000,
    codec="pcm_s16le",
    rate_hz=8_000,
    channels=1,
    rings=(Ring(start_ms=500, end_ms=2_000, frequency_hz=425.0, confidence=0.99),),
    ring_count=1,
    ring_confidence=0.98,
    voicemail_tone=True,
    speech_ms=6_000,
    tones=(Tone(kind="busy", start_ms=21_000, end_ms=23_000),),
    warnings=(),
)
UNKNOWN = Failure(stage="ingest-register", reason="unknown_call", message="not registered")
DAMAGED = Failure(stage="ingest-segment", reason="undecodable", message="no audio in it")


def registered(run: int = 10, revision: int | None = None, client: str | None = CLIENT) -> CallRegistered:
    return CallRegistered(
        call_id=CALL,
        run=run,
        revision=run if revision is None else revision,
        status="registered",
        bucket="recordings",
        key="day/a.wav",
        etag="e",
        size=9,
        requested=True,
        client_number=client,
        external_id="7",
        branch="ADSL_SAV",
        started_at_ms=1_000,
        ended_at_ms=31_000,
        arrived_at_ms=40_000,
        warnings=(),
        event_time_ms=0,
    )


def unknown() -> CallRegistered:
    """The register's answer for a wanted call that it does not know."""
    nothing = replace(registered(run=0, revision=99, client=None), branch=None, external_id=None, started_at_ms=None)
    return replace(nothing, status="failed", failure=UNKNOWN)


def classified(run: int = 10, outcome: int = 3, status: str = "complete") -> CallClassified:
    return CallClassified(
        call_id=CALL,
        run=run,
        status=status,
        failure=DAMAGED if status == "failed" else None,
        heard=None if status == "failed" else HEARD,
        acquisition=Answer(outcome=outcome, score=0.9, cited=()),
        sav=Answer(outcome=6, score=0.8, cited=()),
        behaviour=1,
        engine="embedded",
        engine_version="1",
        model_revision="abc",
        event_time_ms=0,
    )


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(Facts(partitions=1))


def after(bench: Bench, *messages: CallRegistered | CallClassified) -> list[CallFacts]:
    """What is newly told of calls once these have been read, in this order."""
    bench.feed_in_order(
        *((CALLS_CLASSIFIED if isinstance(one, CallClassified) else CALLS_REGISTERED, one) for one in messages)
    )
    bench.run()
    return bench.news(CALLS_FACTS, CallFacts)


def test_a_call_is_told_when_it_is_registered_and_again_with_its_result(bench: Bench) -> None:
    sounding = replace(classified(), heard=replace(HEARD, fingerprint=b"sound"))
    first, second = after(bench, registered(), sounding)
    assert (first.call_id, first.client_number, first.status, first.final) == (CALL, CLIENT, "registered", False)
    assert (first.external_id, first.branch, first.started_at_ms) == ("7", "ADSL_SAV", 1_000)
    assert (second.status, second.final, second.behaviour, second.duration_ms) == ("complete", True, 1, 30_000)
    assert second.acquisition is not None
    assert second.sav is not None
    assert (second.acquisition.outcome, second.sav.outcome) == (3, 6)
    assert (second.ring_count, second.ring_confidence, second.voicemail_tone) == (1, 0.98, True)
    assert [(span.start_ms, span.end_ms) for span in second.rings] == [(500, 2_000)]
    assert (second.ended_at_ms, second.arrived_at_ms) == (31_000, 40_000)
    assert (second.busy_tone, second.fingerprint, second.models) == (True, b"sound", "embedded 1; asr abc")
    assert (first.busy_tone, first.fingerprint, first.models) == (None, None, None)
    assert [record.key for record in bench.log.browse(CALLS_FACTS.name)] == [CLIENT.encode()] * 2


@pytest.mark.parametrize("asked", [False, True])
def test_what_was_said_is_told_only_when_a_rule_asks_for_it(make_bench: MakeBench, asked: bool) -> None:
    bench = make_bench(Facts(partitions=1, with_transcripts=asked))
    told = after(bench, registered(), replace(classified(), transcript="bonjour"))
    assert [facts.transcript for facts in told] == [None, "bonjour" if asked else None]


def test_a_result_that_comes_before_its_registration_waits_for_it(bench: Bench) -> None:
    assert not after(bench, classified())
    facts = only(after(bench, registered()))
    assert (facts.status, facts.final) == ("complete", True)


def test_a_call_of_no_known_client_is_told_to_nobody_until_it_is_assigned(bench: Bench) -> None:
    assert not after(bench, registered(client=None), classified())
    facts = only(after(bench, registered(revision=11)))
    assert (facts.client_number, facts.final, facts.revision) == (CLIENT, True, 11)


def test_a_call_that_changes_its_client_is_retracted_from_the_former_one(bench: Bench) -> None:
    after(bench, registered(), classified())
    gone, come = after(bench, registered(revision=11, client=OTHER))
    assert (gone.client_number, gone.retracted) == (CLIENT, True)
    assert (come.client_number, come.retracted, come.final) == (OTHER, False, True)
    assert [record.key for record in bench.log.browse(CALLS_FACTS.name)][2:] == [CLIENT.encode(), OTHER.encode()]
    gone = only(after(bench, registered(revision=12, client=None)))
    assert (gone.client_number, gone.retracted) == (OTHER, True)


def test_what_is_the_same_or_older_is_told_to_nobody(bench: Bench) -> None:
    after(bench, registered(run=10, revision=12), classified(run=10))
    assert not after(bench, registered(run=10, revision=12), registered(run=10, revision=11), registered(run=9))
    assert not after(bench, classified(run=10), classified(run=9, outcome=1))


def test_the_previous_result_stands_until_a_new_run_has_ended(bench: Bench) -> None:
    after(bench, registered(run=10), classified(run=10, outcome=3))
    during = only(after(bench, registered(run=20)))
    assert (during.run, during.final, during.status) == (20, True, "complete")
    assert during.acquisition is not None
    assert during.acquisition.outcome == 3
    ended = only(after(bench, classified(run=20, outcome=1)))
    assert ended.acquisition is not None
    assert ended.acquisition.outcome == 1


def test_a_call_that_failed_is_final_and_says_why(bench: Bench) -> None:
    facts = after(bench, registered(), classified(status="failed"))[-1]
    assert (facts.status, facts.final, facts.failure, facts.ring_count) == ("failed", True, DAMAGED, None)


def test_an_order_does_not_wait_for_a_call_that_the_register_has_forgotten(bench: Bench) -> None:
    after(bench, registered())
    facts = only(after(bench, unknown()))
    assert (facts.client_number, facts.started_at_ms, facts.branch) == (CLIENT, 1_000, "ADSL_SAV")
    assert (facts.status, facts.final, facts.failure) == ("failed", True, UNKNOWN)
    assert not after(bench, unknown())


def test_the_result_of_a_call_that_the_register_has_forgotten_stands(bench: Bench) -> None:
    after(bench, registered(), classified())
    assert not after(bench, unknown())


def test_a_forgotten_call_that_is_found_again_gets_its_result(bench: Bench) -> None:
    after(bench, registered(), unknown())
    after(bench, registered())  # found again, with the number that it had
    facts = only(after(bench, classified()))
    assert (facts.status, facts.final, facts.failure) == ("complete", True, None)


def test_a_call_that_nobody_ever_registered_is_told_to_nobody(bench: Bench) -> None:
    assert not after(bench, unknown())
    assert only(after(bench, registered())).final is False


def mark(source: int, until_ms: int, since_ms: int = 0, **hours: int) -> CoverageMark:
    return CoverageMark(
        source_partition=source,
        scope="recordings/",
        since_ms=since_ms,
        until_ms=until_ms,
        hours=tuple(
            HourCount(hour_ms=int(hour[1:]), registered=count, unassigned=1, undated=0) for hour, count in hours.items()
        ),
        event_time_ms=until_ms,
    )


def marks(bench: Bench, *fed: CoverageMark, to: int = 0) -> list[CoverageMark]:
    """The marks that are newly forwarded to one partition, once these have been read on that partition."""
    before = len(bench.sent(CALLS_FACTS, CoverageMark, partition=to))
    bench.feed(CALLS_REGISTERED, *fed, partition=to)
    bench.run()
    return bench.sent(CALLS_FACTS, CoverageMark, partition=to)[before:]


def test_coverage_is_forwarded_once_every_source_has_spoken_to_every_partition_with_all_hours(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(Facts(partitions=2), 2)
    assert not marks(bench, mark(0, 50, h0=3), to=1)
    forwarded = only(marks(bench, mark(1, 40, since_ms=7, h0=2, h3600000=5), to=1))
    assert (forwarded.source_partition, forwarded.since_ms, forwarded.until_ms) == (1, 7, 40)
    assert [(hour.hour_ms, hour.registered, hour.unassigned) for hour in forwarded.hours] == [
        (0, 5, 2),
        (3600000, 5, 1),
    ]
    assert bench.sent(CALLS_FACTS, CoverageMark, partition=0) == [forwarded]


def test_coverage_is_forwarded_again_when_the_last_of_the_sources_has_moved_on(make_bench: MakeBench) -> None:
    bench = make_bench(Facts(partitions=2), 2)
    assert len(marks(bench, mark(0, 50), mark(1, 50))) == 1
    assert not marks(bench, mark(0, 90), mark(0, 95))
    assert only(marks(bench, mark(1, 93))).until_ms == 93


def test_a_mark_stands_behind_the_facts_that_it_vouches_for(bench: Bench) -> None:
    bench.feed(CALLS_REGISTERED, registered(), mark(0, 50))
    bench.run()
    assert [type(one).__name__ for one in bench.sent(CALLS_FACTS, object)] == ["CallFacts", "CoverageMark"]

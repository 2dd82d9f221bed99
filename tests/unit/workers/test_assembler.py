"""The assembler: a call is complete when all its parts are there, in whatever order and however often they come."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtrue import times
from ringtrue.messages import CallCommand, CallHeard, CallTranscribed, Failure, Heard, SegmentTranscribed, Word
from ringtrue.streaming.topics import (
    CALLS_COMMANDS,
    CALLS_HEARD,
    CALLS_TRANSCRIBED,
    SEGMENTS_AUDIO,
    SEGMENTS_TRANSCRIBED,
)
from services.assembler.worker import Assembler
from tests.unit.workers.bench import Bench, only
from tests.unit.workers.conftest import MakeBench

CALL = "recordings/day/a"
DAY_MS = 24 * 3_600_000
HEARD = Heard(
    duration_ms=9_000,
    codec="pcm_s16le",
    rate_hz=8_000,
    channels=1,
    rings=(),
    ring_count=2,
    ring_confidence=0.99,
    voicemail_tone=False,
    speech_ms=6_000,
    tones=(),
    warnings=(),
)
DAMAGED = Failure(stage="ingest-segment", reason="undecodable", message="no audio in it")
REFUSED = Failure(stage="asr", reason="not_flac", message="part is not FLAC audio")

Message = CallHeard | SegmentTranscribed


def heard(parts: int, run: int = 1, *, call_id: str = CALL, failure: Failure | None = None) -> CallHeard:
    return CallHeard(
        call_id=call_id,
        run=run,
        status="failed" if failure else "ok",
        failure=failure,
        heard=None if failure else HEARD,
        parts_total=parts,
        event_time_ms=0,
    )


def part(
    index: int, total: int, run: int = 1, *, call_id: str = CALL, text: str = "", failure: Failure | None = None
) -> SegmentTranscribed:
    word = Word(text=text or f"word{index}", start_ms=index * 1000, end_ms=index * 1000 + 500, confidence=1, channel=0)
    return SegmentTranscribed(
        call_id=call_id,
        run=run,
        index=index,
        total=total,
        channel=0,
        start_ms=index * 1000,
        end_ms=index * 1000 + 1000,
        overlap_ms=0,
        status="failed" if failure else "ok",
        failure=failure,
        words=() if failure else (word,),
        model="" if failure else "demo",
        model_revision="" if failure else "abc",
        event_time_ms=0,
    )


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(Assembler())


def feed(bench: Bench, *messages: Message) -> list[CallTranscribed]:
    """Feeds the messages as one batch; the calls that were closed by it."""
    bench.feed_in_order(
        *((CALLS_HEARD if isinstance(message, CallHeard) else SEGMENTS_TRANSCRIBED, message) for message in messages)
    )
    bench.run()
    return bench.news(CALLS_TRANSCRIBED, CallTranscribed)


def test_a_call_is_complete_once_it_was_heard_and_all_its_parts_are_there(bench: Bench) -> None:
    assert not feed(bench, heard(2))
    assert not feed(bench, part(1, 2))
    call = only(feed(bench, part(0, 2)))
    assert (call.call_id, call.run, call.status, call.failure) == (CALL, 1, "complete", None)
    assert call.text == "word0 word1"
    assert [word.text for word in call.words] == ["word0", "word1"]
    assert (call.parts_total, call.parts_failed, call.heard) == (2, 0, HEARD)
    assert (call.model, call.model_revision) == ("demo", "abc")


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("log"), Assembler())
    with closing(bench.log):
        yield bench


_numbers = count()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), failed=st.sets(st.integers(0, 3)), total=st.integers(0, 4))
def test_any_order_any_duplicates_and_a_restart_give_the_same_call_once(
    shared_bench: Bench, data: st.DataObject, failed: set[int], total: int
) -> None:
    call_id = f"recordings/{next(_numbers)}"
    parts = [
        part(index, total, call_id=call_id, failure=REFUSED if index in failed else None) for index in range(total)
    ]
    messages: list[Message] = [heard(total, call_id=call_id), *parts]
    again = data.draw(st.lists(st.sampled_from(messages), max_size=3))
    order = data.draw(st.permutations([*messages, *again]))
    restart = data.draw(st.integers(0, len(order)))
    closed = [*feed(shared_bench, *order[:restart]), *feed(shared_bench, *order[restart:])]
    call = only(closed)
    bad = len(failed & set(range(total)))
    assert call.status == ("complete" if not bad else "failed" if bad == total else "partial")
    assert call.text.split() == [f"word{index}" for index in range(total) if index not in failed]
    assert (call.parts_total, call.parts_failed) == (total, bad)


def test_a_call_says_its_language_and_how_near_its_text_was_to_another_one(bench: Bench) -> None:
    parts = [replace(part(0, 2), language="fr", margin=1.5), replace(part(1, 2), language="fr", margin=0.25)]
    call = only(feed(bench, heard(2), *parts))
    assert (call.language, call.margin) == ("fr", 0.25)


def test_a_call_without_parts_is_complete_at_once(bench: Bench) -> None:
    call = only(feed(bench, heard(0)))
    assert (call.status, call.text, call.words, call.heard) == ("complete", "", (), HEARD)


def test_a_call_that_could_not_be_heard_is_failed_with_its_reason(bench: Bench) -> None:
    call = only(feed(bench, heard(0, failure=DAMAGED)))
    assert (call.status, call.failure, call.heard) == ("failed", DAMAGED, None)


def test_a_failed_part_makes_the_call_partial_and_says_of_how_many(bench: Bench) -> None:
    call = only(feed(bench, heard(3), part(0, 3), part(1, 3, failure=REFUSED), part(2, 3)))
    assert (call.status, call.text, call.parts_failed) == ("partial", "word0\nword2", 1)
    assert call.failure is not None
    assert (call.failure.stage, call.failure.reason) == ("asr", "not_flac")
    assert call.failure.message.startswith("1 of 3 parts")


def test_a_call_of_which_every_part_failed_is_failed_but_keeps_what_was_heard(bench: Bench) -> None:
    call = only(feed(bench, heard(2), part(0, 2, failure=REFUSED), part(1, 2, failure=REFUSED)))
    assert (call.status, call.failure, call.heard, call.model) == ("failed", REFUSED, HEARD, "")


def test_a_newer_run_replaces_an_open_one_and_mixes_nothing_of_it(bench: Bench) -> None:
    feed(bench, heard(2, run=1), part(0, 2, run=1, text="old"))
    assert not feed(bench, part(1, 2, run=2, text="new1"), heard(2, run=2))
    assert not feed(bench, part(1, 2, run=1, text="old"))
    call = only(feed(bench, part(0, 2, run=2, text="new0")))
    assert (call.run, call.text) == (2, "new0 new1")


def test_a_newer_run_of_fewer_parts_holds_nothing_of_the_parts_before(bench: Bench) -> None:
    feed(bench, part(1, 3, run=1, text="old"), part(2, 3, run=1, failure=REFUSED))
    call = only(feed(bench, heard(1, run=2), part(0, 1, run=2, text="new")))
    assert (call.status, call.text, call.parts_failed) == ("complete", "new", 0)


def test_what_is_late_or_doubled_after_closing_changes_nothing(bench: Bench) -> None:
    feed(bench, heard(1, run=5), part(0, 1, run=5))
    assert not feed(bench, heard(1, run=5), part(0, 1, run=5), heard(1, run=4), part(0, 1, run=4))
    assert only(feed(bench, part(0, 1, run=6), heard(1, run=6))).run == 6


def test_a_closed_call_keeps_no_parts_and_no_words_in_the_state(bench: Bench) -> None:
    feed(bench, heard(2), part(0, 2), part(1, 2))
    [(key, entry)] = bench.state().items()
    assert key == CALL
    assert (entry.closed, entry.heard, entry.received) == (True, None, ())


def test_calls_whose_names_begin_alike_keep_their_parts_apart(bench: Bench) -> None:
    feed(bench, part(0, 2, call_id="recordings/a"), part(0, 2, call_id="recordings/ab", text="other"))
    closed = feed(bench, heard(1, call_id="recordings/a"), heard(1, call_id="recordings/ab"))
    assert {call.call_id: call.text for call in closed} == {"recordings/a": "word0", "recordings/ab": "other"}


def test_a_part_whose_bytes_cannot_be_read_counts_as_failed(bench: Bench) -> None:
    feed(bench, heard(2), part(0, 2))
    bench.feed(SEGMENTS_TRANSCRIBED, b"?", headers={"call_id": CALL, "run": "1", "index": "1", "total": "2"})
    call = only(feed(bench))
    assert (call.status, call.text, call.parts_failed) == ("partial", "word0", 1)
    assert call.failure is not None
    assert (call.failure.stage, call.failure.reason) == ("assembler", "undecodable")
    letter = only(bench.letters())
    assert (letter.error, letter.call_id, letter.run) == ("undecodable", CALL, 1)


def test_a_call_whose_bytes_cannot_be_read_is_failed(bench: Bench) -> None:
    bench.feed(CALLS_HEARD, b"?", headers={"call_id": CALL, "run": "1"})
    call = only(feed(bench))
    assert (call.status, call.run) == ("failed", 1)


@pytest.mark.parametrize(
    "headers",
    [{}, {"call_id": CALL}, {"call_id": CALL, "run": "1"}, {"call_id": CALL, "run": "x", "index": "0", "total": "1"}],
)
def test_a_record_whose_headers_do_not_tell_its_place_gets_only_its_dead_letter(
    bench: Bench, headers: dict[str, str]
) -> None:
    bench.feed(SEGMENTS_TRANSCRIBED, b"?", headers=headers)
    assert not feed(bench)
    assert bench.refusals() == ["undecodable"]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> "Later":
    return Later(monkeypatch)


class Later:
    """Lets the wall clock of the loop and of the log run ahead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._ahead_ms = 0

    def __call__(self, by_ms: int) -> None:
        self._ahead_ms += by_ms
        ahead_ms, real = self._ahead_ms, times.now_ms
        for module in ("worker", "embedded_member", "embedded_file"):
            self._monkeypatch.setattr(f"ringtrue.streaming.{module}.now_ms", lambda: real() + ahead_ms)


def test_an_incomplete_call_waits_as_long_as_its_audio_may_exist(bench: Bench, later: Later) -> None:
    feed(bench, heard(2), part(0, 2))
    later(SEGMENTS_AUDIO.retention_ms)
    assert not feed(bench)
    assert only(feed(bench, part(1, 2))).status == "complete"


def test_a_call_whose_parts_are_lost_is_failed_and_run_again_once(bench: Bench, later: Later) -> None:
    feed(bench, heard(3, run=1), part(0, 3, run=1))
    later(SEGMENTS_AUDIO.retention_ms + DAY_MS)
    call = only(feed(bench))
    assert (call.run, call.status, call.text) == (1, "failed", "word0")
    assert call.failure is not None
    assert call.failure.reason == "lost_parts"
    assert call.failure.message.startswith("1 of 3 parts")
    command = only(bench.news(CALLS_COMMANDS, CallCommand))
    assert (command.call_id, command.command, command.stage) == (CALL, "reprocess", "segment")

    feed(bench, heard(3, run=2), part(0, 3, run=2))
    later(SEGMENTS_AUDIO.retention_ms + DAY_MS)
    call = only(feed(bench))
    assert (call.run, call.status) == (2, "failed")
    assert not bench.news(CALLS_COMMANDS, CallCommand)


def test_a_run_that_was_heard_of_only_through_a_part_is_given_up_too(bench: Bench, later: Later) -> None:
    feed(bench, part(0, 2))
    later(SEGMENTS_AUDIO.retention_ms + DAY_MS)
    call = only(feed(bench))
    assert (call.status, call.heard, call.parts_total) == ("failed", None, 2)


def test_a_closed_call_is_forgotten_when_no_topic_can_bring_it_again(bench: Bench, later: Later) -> None:
    feed(bench, heard(0))
    later(29 * DAY_MS)
    feed(bench)
    assert bench.state()
    later(2 * DAY_MS)
    feed(bench)
    assert not bench.state()

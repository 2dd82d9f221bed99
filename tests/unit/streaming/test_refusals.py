"""What becomes of a record that is bad."""

from collections.abc import Sequence

import pytest

from ringtrue import __version__
from ringtrue.errors import BadRecord
from ringtrue.messages import CallWanted
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.step import Step
from tests.unit.streaming.tiny import (
    CODEC,
    IN,
    OUT,
    Tiny,
    answer,
    cases,
    feed,
    left,
    letters,
    message,
    names,
    run,
)


class Answering(Tiny):
    """Answers for what it refuses, from the headers."""

    def refused(self, step: Step, problem: BadRecord) -> None:
        headers = step.headers
        if "call_id" in headers:
            step.send(OUT, headers["call_id"], message(headers["call_id"], problem.reason))


def refuse_bad(step: Step) -> None:
    if step.message.call_id == "bad":
        raise BadRecord("rotten", "it is rotten; send a fresh one")
    answer(step)


def test_a_bad_record_goes_to_the_dead_letters_as_it_came_and_the_rest_goes_on(log: EmbeddedLog) -> None:
    value = CODEC.encode(message("bad"))
    feed(log, "a")
    headers = {"call_id": b"bad", "run": b"12", "odd": b"\xff"}
    log.append([Outgoing(IN.name, b"key \xff", value, headers, timestamp_ms=1_700_000_000_000)])
    feed(log, "b")
    run(Answering(refuse_bad), log=log)
    assert list(zip(names(log), cases(log), strict=True)) == [("a", ""), ("bad", "rotten"), ("b", "")]
    [letter] = letters(log)
    assert (letter.service, letter.worker, letter.service_version) == ("tiny", "tiny-copy", __version__)
    assert (letter.topic, letter.partition, letter.offset) == ("in", 0, 1)
    assert (letter.key, letter.value) == (b"key \xff", value)
    assert letter.headers == {"call_id": "bad", "run": "12", "odd": "\ufffd"}
    assert letter.timestamp_ms == 1_700_000_000_000
    assert (letter.error, letter.message) == ("rotten", "it is rotten; send a fresh one")
    assert (letter.subject, letter.call_id, letter.run) == ("bad", "bad", 12)


@pytest.mark.parametrize("value", [b"", None, b"no message", CODEC.encode(message("cut off"))[:-1]])
def test_bytes_that_cannot_be_read_are_answered_from_the_headers(log: EmbeddedLog, value: bytes | None) -> None:
    headers = {"call_id": b"calls/1", "run": b"3", "index": b"1", "total": b"2"}
    log.append([Outgoing(IN.name, b"key", value, headers)])
    feed(log, "b")
    run(Answering(), log=log)
    assert list(zip(names(log), cases(log), strict=True)) == [("calls/1", "undecodable"), ("b", "")]
    [letter] = letters(log)
    assert (letter.error, letter.value) == ("undecodable", value)
    assert (letter.call_id, letter.run) == ("calls/1", 3)


def test_a_bad_record_without_a_call_gets_only_its_dead_letter(log: EmbeddedLog) -> None:
    log.append([Outgoing(IN.name, b"a key", b"no message")])
    run(Answering(), log=log)
    assert names(log) == []
    [letter] = letters(log)
    assert (letter.subject, letter.call_id, letter.run) == ("a key", None, None)


@pytest.mark.parametrize("number", ["", "x", "²", "٣", "-1", "9" * 30, "9" * 5000])
def test_a_header_that_is_no_number_does_not_keep_a_record_from_the_dead_letters(log: EmbeddedLog, number: str) -> None:
    log.append([Outgoing(IN.name, b"key", b"no message", {"call_id": b"calls/1", "run": number.encode()})])
    run(Answering(), log=log)
    assert [letter.run for letter in letters(log)] == [None]


def test_what_a_bad_record_had_sent_and_remembered_is_dropped(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        found = step.get("entry", CallWanted)
        step.send(OUT, "key", message(step.message.call_id, found.call_id if found else "nothing"))
        step.put("entry", step.message)
        refuse_bad(step) if step.message.call_id == "bad" else None

    feed(log, "bad", "b")
    run(Tiny(handle), log=log)
    assert list(zip(names(log), cases(log), strict=True)) == [("b", "nothing")]


def test_a_part_of_a_record_can_be_refused_while_the_rest_of_it_goes_on(log: EmbeddedLog) -> None:
    def handle(step: Step) -> None:
        step.refuse(BadRecord("rejected_row", "row 3"), subject="manifest row 3", part=b"row 3")
        answer(step)

    feed(log, "a")
    run(Tiny(handle), log=log)
    assert names(log) == ["a"]
    [letter] = letters(log)
    assert (letter.error, letter.subject, letter.part) == ("rejected_row", "manifest row 3", b"row 3")
    assert letter.value == CODEC.encode(message("a")), "the whole record stands in it too, to be tried again"


def test_a_worker_that_passes_over_a_refused_record_is_stopped(log: EmbeddedLog) -> None:
    class Careless(Tiny):
        def handle_many(self, steps: Sequence[Step]) -> None:
            for step in steps:
                if step.message is not None:
                    answer(step)

    log.append([Outgoing(IN.name, b"key", b"no message")])
    with pytest.raises(RuntimeError, match="passed over"):
        run(Careless(), log=log)
    assert left(log, Tiny()) == 1


def test_a_record_without_a_key_is_refused(log: EmbeddedLog) -> None:
    log.append([Outgoing(IN.name, None, CODEC.encode(message("keyless")), {"call_id": b"keyless"})])
    feed(log, "a")
    run(Answering(), log=log)
    assert sorted(zip(names(log), cases(log), strict=True)) == [("a", ""), ("keyless", "no_key")]
    [letter] = letters(log)
    assert (letter.error, letter.key) == ("no_key", None)


def test_a_record_that_brings_more_than_the_log_takes_is_refused_and_answered(log: EmbeddedLog) -> None:
    def grow(step: Step) -> None:
        answer(step)
        if step.message.call_id == "bad":
            step.send(OUT, "bad", message("bad", "x" * 1_000_000))

    feed(log, "a")
    log.append([Outgoing(IN.name, b"bad", CODEC.encode(message("bad")), {"call_id": b"bad"})])
    feed(log, "b")
    run(Answering(grow), log=log)
    assert list(zip(names(log), cases(log), strict=True)) == [("a", ""), ("bad", "oversize"), ("b", "")]
    [letter] = letters(log)
    assert "RINGTRUE_LOG__MAX_RECORD_BYTES allows 1000000" in letter.message
    assert CODEC.decode(letter.value) == message("bad")

"""Records that are at fault, and records that only look so: faults 10, 11, 14, 16, 18 and an unknown schema."""

import signal
from dataclasses import replace

import pytest

from ringtrue.messages import CallWanted
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.topics import SEGMENTS_TRANSCRIBED, Topic
from tests.faults.conftest import Row
from tests.faults.newer import newer_audio
from tests.faults.observer import LETTERS, STATE
from tests.faults.pipeline import Call, Pipeline, calls
from tests.faults.process import Fault

pytestmark = pytest.mark.servers

_GARBAGE = b"\xff\x00 no message"
_OTHER = Codec().encode(CallWanted(call_id="bucket/x", case_id="x", event_time_ms=0))


def test_each_bad_record_becomes_one_dead_letter_and_one_answer(pipeline: Pipeline, row: Row) -> None:
    row("10 bad records", "undecodable bytes, another message, an oversize output, null keys, to both workers")
    good = calls(8)
    damaged, other, keyless, grown, unheard = (
        Call(f"bucket/{name}") for name in ("damaged", "other", "keyless", "grown", "unheard")
    )
    first = damaged.audio[0]
    records = [replace(first, value=_GARBAGE), *damaged.audio[1:], damaged.heard]
    records += [replace(other.audio[0], value=_OTHER), *other.audio[1:], other.heard]
    records += [replace(keyless.audio[0], key=None, partition=1), *keyless.audio[1:], keyless.heard]
    records += [*grown.audio, grown.heard]
    records += [replace(unheard.heard, value=_GARBAGE)]
    nameless = [replace(first, value=_GARBAGE, headers={}), replace(good[0].heard, value=None, headers={})]
    pipeline.feed(good[:4])
    pipeline.log.append(records + nameless)
    bad = [damaged, other, keyless, grown, unheard]
    pipeline.fed += bad
    pipeline.feed(good[4:])
    pipeline.start("copier", grown=grown.call_id)
    pipeline.start("assembler")
    refused = ["undecodable", "unexpected", "no_key", "oversize", "oversize", "oversize", "undecodable"]
    letters = [*(("asr", error) for error in refused), *[("assembler", "undecodable")] * 2]
    pipeline.check(failed=bad, letters=letters)
    letter = next(one for one in pipeline.observer.letters if one.call_id == damaged.call_id)
    assert (letter.value, letter.key) == (_GARBAGE, first.key)
    assert [one.value for one in pipeline.observer.letters if one.error == "no_key"] == [keyless.audio[0].value]
    row.saw(f"{len(letters)} dead letters with the original bytes, 5 answers; {pipeline.seen()}")


def test_a_record_that_kills_the_process_is_refused_after_three_tries(pipeline: Pipeline, row: Row) -> None:
    row("11 deadly record", "the copier dies of one record, and is started again each time")
    deadly = Call("bucket/deadly", parts=1)
    pipeline.feed([*calls(10), deadly, *calls(10, "later")])
    pipeline.start("assembler")
    deaths = 0
    while True:
        copier = pipeline.start("copier", deadly=deadly.call_id)
        copier.until(lambda child=copier: pipeline.is_closed([deadly]) or child.process.poll() is not None, "die")  # type: ignore[misc]  # a lambda's default has no type
        if copier.process.poll() is None:
            break
        assert copier.ends() == -signal.SIGKILL
        deaths += 1
        assert deaths < 8
    pipeline.check(failed=[deadly], letters=[("asr", "kills_the_worker")])
    assert deaths == 4
    row.saw(f"{deaths} deaths, of which 3 counted tries, then a dead letter and an answer; {pipeline.seen()}")


def test_a_part_of_an_older_run_changes_nothing(pipeline: Pipeline, row: Row) -> None:
    row("14 older run", "parts of run 1 before, between and after run 2; then run 2 again")
    old, new = Call("bucket/again", run=1), Call("bucket/again", run=2)
    pipeline.log.append(old.audio[:1])
    pipeline.feed([new])
    pipeline.start("copier")
    pipeline.start("assembler")
    pipeline.closes([new])
    pipeline.log.append([*old.audio[1:], old.heard, *new.audio, new.heard])
    pipeline.feed(calls(3))
    pipeline.check()
    row.saw(f"run 2 closed once, run 1 never; {pipeline.seen()}")


@pytest.mark.parametrize(
    ("topic", "role"),
    [(SEGMENTS_TRANSCRIBED, "copier"), pytest.param(STATE, "assembler", marks=pytest.mark.whole)],
)
def test_a_record_that_the_broker_refuses_ends_the_worker_with_nothing_written(
    topic: Topic, role: str, pipeline: Pipeline, row: Row
) -> None:
    row(f"16 delivery error: {role}", f"max.message.bytes of {topic.name} lowered below its records, then raised again")
    pipeline.feed(calls(5))
    running = {name: pipeline.start(name) for name in ("copier", "assembler")}
    pipeline.closes(pipeline.fed)
    pipeline.configure(topic, max_message_bytes="150")
    pipeline.feed(calls(5, "refused"))
    assert running[role].ends() == 2
    assert "MAX_RECORD_BYTES" in running[role].tail()
    assert not pipeline.is_closed(pipeline.fed[5:])
    pipeline.configure(topic, max_message_bytes="1200000")
    pipeline.start(role)
    pipeline.check()
    row.saw(f"exit code 2, which names the setting, no dead letter; {pipeline.seen()}")


def test_an_aborted_batch_leaves_no_dead_letter(pipeline: Pipeline, row: Row) -> None:
    row("18 dead letter aborted", "the copier killed in the transaction that writes a dead letter")
    damaged = Call("bucket/damaged", parts=1)
    pipeline.log.append([replace(damaged.audio[0], value=_GARBAGE), damaged.heard])
    pipeline.fed.append(damaged)
    dying = pipeline.start("copier", at=Fault("flushed", 2))  # the first transaction writes the notes
    assert dying.ends() == -signal.SIGKILL
    pipeline.start("copier")
    pipeline.start("assembler")
    pipeline.check(failed=[damaged], letters=[("asr", "undecodable")])
    written = len(pipeline.uncommitted(LETTERS[0]))
    assert written == 2
    row.saw("two dead letters written, one of them aborted: readers saw one")


def test_a_partition_waits_for_the_version_that_knows_its_records_schema(pipeline: Pipeline, row: Row) -> None:
    row("unknown schema", "a record by a newer schema amid others, then a copier that knows the schema")
    newer, others = Call("bucket/newer", parts=1), calls(10)
    pipeline.feed(others[:5])
    pipeline.log.append([newer.heard, replace(newer.audio[0], value=newer_audio(newer.audio[0].value))])
    pipeline.fed.append(newer)
    pipeline.feed(others[5:])
    copier = pipeline.start("copier")
    pipeline.start("assembler")
    reason = copier.says("away")
    assert "schema" in reason
    pipeline.closes(others[:5])
    assert not pipeline.is_closed([newer])
    passed = [call for call in others[5:] if pipeline.is_closed([call])]
    copier.signal(signal.SIGTERM)
    assert copier.ends() == 0
    pipeline.start("copier", knows_newer=True)
    pipeline.check()
    row.saw(f"its partition waited, {len(passed)} calls of the other passed it, not ready; {pipeline.seen()}")

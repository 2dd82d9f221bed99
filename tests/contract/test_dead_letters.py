"""A refused record's dead letter, its answer and its position are of one commit."""

import signal

from ringtrue.messages import CallWanted, DeadLetter
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import Log, Outgoing
from tests.contract.adapters import LETTERS, LogFactory
from tests.contract.driving import child, dies, until

WANTED = CallWanted(call_id="calls/1", case_id="case", event_time_ms=1)


def done(log: Log) -> bool:
    return not any(log.backlog({"contract-worker": ["input"]}).values())


def written(log: Log) -> tuple[list[str], list[str]]:
    """Errors of the dead letters, and what the answers say."""
    codec = Codec()
    letters = [codec.decode_as(DeadLetter, record.value or b"").error for record in log.browse(LETTERS.name)]
    answers = [codec.decode_as(CallWanted, record.value or b"").case_id for record in log.browse("output")]
    return letters, answers


def test_a_dead_letter_its_answer_and_the_position_are_of_one_commit(log_factory: LogFactory) -> None:
    log = log_factory()
    log.append([Outgoing("input", b"calls/1", Codec().encode(WANTED))])
    with child(log_factory.place, "work", kill_at="contract-worker:handled:1") as process:
        assert dies(process)
    assert (done(log), written(log)) == (False, ([], []))
    with child(log_factory.place, "work", kill_at="contract-worker:committed:1") as process:
        assert dies(process)
    assert (done(log), written(log)) == (True, (["bad"], ["bad"]))
    with child(log_factory.place, "work") as process:
        log.append([Outgoing("input", b"calls/1", b"no message at all")])
        until(lambda: done(log))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert written(log) == (["bad", "undecodable"], ["bad", "undecodable"])

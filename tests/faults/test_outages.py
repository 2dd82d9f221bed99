"""The broker goes away, and comes back: faults 12 and 15 of the list. On brokers that nobody else needs.

Kafka up to 4.3.1 loses the end of a transaction when it has to tell a partition of it while no broker leads this
partition (KAFKA-20734): its positions stay pending for ever. A single broker that starts is in that state for a moment.
So no transaction may end of itself just then: here they time out later than any outage, and a broker that is killed
while it commits is one of three.
"""

import json
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.port import LogAway, Outgoing, Subscription
from ringtrue.streaming.topics import Topic
from tests.faults.broker import Broker
from tests.faults.conftest import Row
from tests.faults.pipeline import Pipeline, calls
from tests.faults.process import Child, Fault

pytestmark = [pytest.mark.servers, pytest.mark.whole]

_OUTAGE_S = 12.0
_TRANSACTION_S = 90.0  # longer than an outage and a start
_MEMBERS = 12


@pytest.mark.parametrize("how", ["held", "killed"])
def test_an_outage_with_backlog_expires_nothing_and_refuses_nothing(
    how: str, own_broker: Broker, hurt_pipeline: Pipeline, row: Row
) -> None:
    row(f"12 outage: broker {how}", f"the broker {how} for {_OUTAGE_S:.0f} s with a backlog; calls given up after 60 s")
    pipeline = hurt_pipeline
    half = calls(10, "half")
    pipeline.feed(half, heard=False)
    options: dict[str, Any] = {"session_s": 30.0, "deadline_s": 5.0, "transaction_s": _TRANSACTION_S}
    running = [pipeline.start("copier", **options), pipeline.start("assembler", lost_after_s=60.0, **options)]
    assert pipeline.observer.until(lambda: len(pipeline.observer.state) == 40, 30)  # 10 open calls, 30 parts
    pipeline.feed(calls(300, "backlog"))
    if how == "held":
        own_broker.stop()
    else:
        own_broker.kill()
    began = time.monotonic()
    # Who has nothing to do notices a broker that keeps its connections open only with the end of its session.
    noticing = running[:1] if how == "held" else running
    reasons = [child.says("away") for child in noticing]
    noticed_s = time.monotonic() - began
    time.sleep(max(0.0, _OUTAGE_S - noticed_s))
    assert [child.process.poll() for child in running] == [None, None], [child.tail() for child in running]
    assert "ready" not in [child.said[-1] for child in noticing]
    own_broker.wake()
    own_broker.up()
    pipeline.feed(half, audio=False)
    pipeline.check()
    for child in running:
        assert child.process.poll() is None, child.tail()
        child.until(lambda child=child: child.said[-1] == "ready", "get ready again")  # type: ignore[misc]  # a lambda's default has no type
    restores = _restores(running[1])
    assert pipeline.observer.commands == []
    row.saw(
        f"not ready after {noticed_s:.1f} s ({reasons[0][5:60]}...), no process ended, state read {restores} times; "
        f"{pipeline.seen()}"
    )


def test_members_with_nothing_to_read_go_on_after_the_broker_was_held(
    own_broker: Broker, tmp_path: Path, row: Row
) -> None:
    row("12 outage: idle members", f"the broker held for {_OUTAGE_S:.0f} s while {_MEMBERS} members join or are idle")
    own_broker.up()
    settings = KafkaSettings(bootstrap_servers=own_broker.bootstrap, topic_prefix=f"faults-{uuid.uuid4().hex[:10]}.")
    log = KafkaLog(settings, LogSettings(partitions=2), tmp_path)
    log.create_topics([Topic("input")])
    given_up = threading.Event()

    def reads_one(number: int) -> None:
        member = log.join(Subscription(f"group-{number}", "0", ("input",), None))
        while not given_up.is_set():
            with suppress(LogAway):
                if member.receive(1, 0.5).records:
                    break
                continue
            given_up.wait(0.2)
        member.leave()

    with ThreadPoolExecutor(_MEMBERS) as threads:
        reading = [threads.submit(reads_one, number) for number in range(_MEMBERS)]
        time.sleep(1.0)
        own_broker.stop()
        time.sleep(_OUTAGE_S)
        own_broker.wake()
        log.append([Outgoing("input", b"key", b"value")])
        began = time.monotonic()
        _, waiting = wait(reading, 60.0)
        given_up.set()
    log.close()
    assert not waiting
    row.saw(f"each had read what was written after it within {time.monotonic() - began:.1f} s")


def test_a_broker_killed_before_it_is_asked_to_commit_leaves_the_turn_undone_or_done(
    own_broker: Broker, hurt_pipeline: Pipeline, row: Row
) -> None:
    row(
        "15 broker killed: before",
        "broker killed with positions pending, then the commit is asked for, then the broker returns",
    )
    pipeline = hurt_pipeline
    pipeline.feed(calls(20))
    for role in ("copier", "assembler"):
        child = pipeline.start(
            role, at=Fault("sent", 6).stops(), session_s=10.0, deadline_s=15.0, transaction_s=_TRANSACTION_S
        )
        child.is_stopped()
        own_broker.kill()
        child.signal(signal.SIGCONT)
        child.says("away")
        own_broker.up()
    pipeline.feed(calls(10, "later"))
    pipeline.check()
    row.saw(pipeline.seen())


@pytest.mark.parametrize("after_ms", [1, 10, 50])
def test_a_broker_killed_while_it_commits_leaves_the_turn_undone_or_done(
    after_ms: int, own_cluster: Broker, cluster_pipeline: Pipeline, row: Row
) -> None:
    row(
        f"15 broker killed: {after_ms} ms",
        f"the transaction's coordinator, one broker of three, killed {after_ms} ms after it finds the request to "
        "commit, and started again",
    )
    pipeline = cluster_pipeline
    pipeline.feed(calls(20))
    for role, group in (("copier", "asr"), ("assembler", "assembler")):
        child = pipeline.start(role, at=Fault("sent", 6).stops(), session_s=10.0, deadline_s=15.0)
        child.is_stopped()
        own_cluster.choose(f"{pipeline.prefix}{group}-0")
        own_cluster.stop()
        child.signal(signal.SIGCONT)
        time.sleep(0.3)  # the request lies in the broker's socket
        own_cluster.wake()
        time.sleep(after_ms / 1000)
        own_cluster.kill()
        own_cluster.up()
    pipeline.feed(calls(10, "later"))
    pipeline.check()
    row.saw(pipeline.seen())


def _restores(child: Child) -> int:
    events = [json.loads(line) for line in child.log.read_text().splitlines() if line.startswith("{")]
    return sum(event.get("event") == "state restored" for event in events)

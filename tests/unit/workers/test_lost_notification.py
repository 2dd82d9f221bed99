"""A lost notification: no verdict rests on the absence of a call before a listing has vouched that there is none."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ringtrue.messages import OrderVerdict
from ringtrue.storage import ObjectInfo, Source, StorageAway
from ringtrue.streaming import worker as loop
from ringtrue.streaming.topics import (
    CALLS_CLASSIFIED,
    ORDERS_CURRENT,
    ORDERS_VERDICTS,
    RECORDINGS_NOTIFICATIONS,
)
from services.compliance.facts import Facts
from services.ingest.intake import Intake
from services.ingest.listing import Lister
from services.ingest.metadata import file_name_pattern
from services.ingest.register import Register
from tests.unit.compliance.cases import DAY, at
from tests.unit.workers.bench import Bench
from tests.unit.workers.judging import CLIENT, HOUR_MS, ORDER, a_judge, current
from tests.unit.workers.shelf import BUCKET, Shelf
from tests.unit.workers.test_facts import classified
from tests.unit.workers.test_intake import notification

ZONE = ZoneInfo("Africa/Casablanca")
PARTITIONS = 2


@dataclass
class Line:
    """The workers from the bucket to the verdict, on one log; what is between them and is not asked here left out."""

    shelf: Shelf
    benches: list[Bench]
    now_ms: int

    def call(self, hour: str, *, notified: bool) -> None:
        """Puts a recording of the order's client with its sidecar."""
        fields = {"NUMERO_CLIENT": CLIENT, "DATE_DEBUT": f"{DAY} {hour}:00:00", "BRANCHE": "ADSL_INSTALL"}
        written_ms = at(f"{hour}:00")
        self.shelf.put(BUCKET, f"{hour}.json", json.dumps(fields).encode(), modified_ms=written_ms)
        self.shelf.put(BUCKET, f"{hour}.wav", hour.encode(), modified_ms=written_ms)
        if notified:
            self.benches[0].feed(RECORDINGS_NOTIFICATIONS, notification(f"{hour}.json", f"{hour}.wav"))

    def classify(self, *hours: str) -> None:
        """The final results of calls."""
        for hour in hours:
            done = replace(classified(run=1 << 60), call_id=f"{BUCKET}/{hour}")
            self.benches[0].feed(CALLS_CLASSIFIED, done)

    def reconcile(self) -> None:
        lister = Lister(Source(self.shelf, BUCKET), self.benches[0].log, "reconcile", lambda: self.now_ms)
        lister.list_once(skip_age_ms=60_000)

    def verdicts(self) -> list[OrderVerdict]:
        """Every verdict so far, once every worker has read everything."""
        for bench in self.benches:
            bench.run()
        return self.benches[-1].sent(ORDERS_VERDICTS, OrderVerdict)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(loop, "_BACK_OFF_S", (0.0, 0.0))
    shelf = Shelf()
    register = Register(shelf, ZONE, file_name_pattern(), select_all=True, partitions=PARTITIONS)
    workers = [Intake(BUCKET, ""), register, Facts(partitions=PARTITIONS), a_judge(partitions=PARTITIONS)]
    with ExitStack() as stack:
        benches = [Bench(tmp_path, worker, PARTITIONS) for worker in workers]
        for bench in benches:
            stack.enter_context(closing(bench.log))
        yield Line(shelf, benches, now_ms=ORDER.suspended_at_ms + HOUR_MS + 60_000)


def test_a_call_whose_notification_was_lost_is_waited_for_and_judged(line: Line) -> None:
    line.call("09", notified=True)
    line.call("11", notified=True)
    line.call("13", notified=False)
    line.benches[0].feed(ORDERS_CURRENT, current())
    line.classify("09", "11")
    # Of the two calls that are known everything is known; that there is no third one, nobody has said.
    assert {one.verdict for one in line.verdicts()} == {"pending"}
    line.reconcile()
    assert {one.verdict for one in line.verdicts()} == {"pending"}
    assert f"{BUCKET}/13" in " ".join(line.verdicts()[-1].waiting_for)
    line.classify("13")
    *waiting, judged = line.verdicts()
    assert {one.verdict for one in waiting} == {"pending"}
    assert judged.verdict != "pending"
    assert [attempt.call_id for attempt in judged.attempts] == [f"{BUCKET}/{hour}" for hour in ("09", "11", "13")]


def test_a_listing_that_breaks_off_vouches_for_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.call("09", notified=True)
    line.call("13", notified=False)
    line.benches[0].feed(ORDERS_CURRENT, current())
    line.classify("09")
    whole = Shelf.list

    def first_page(shelf: Shelf, bucket: str, prefix: str, since_ms: int | None = None) -> Iterator[ObjectInfo]:
        yield from islice(whole(shelf, bucket, prefix), 2)
        raise StorageAway("the second page does not come")

    with monkeypatch.context() as patched:
        patched.setattr(Shelf, "list", first_page)
        with pytest.raises(StorageAway):
            line.reconcile()
    assert {one.verdict for one in line.verdicts()} == {"pending"}
    line.reconcile()
    line.classify("13")
    assert len(line.verdicts()[-1].attempts) == 2

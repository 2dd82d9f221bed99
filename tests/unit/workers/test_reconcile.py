"""Reconcile: the bucket is listed again and again, whatever is away meanwhile, and vouched for only when seen whole."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from ringtrue.messages import CoverageMark, ObjectSeen
from ringtrue.settings import IngestSettings, Settings
from ringtrue.storage import ObjectInfo, Source, StorageAway, StorageMisconfigured
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.topics import RECORDINGS_SEEN, TOPICS
from ringtrue.telemetry import LAST_LISTING
from services.ingest.listing import Lister
from services.ingest.reconcile import Reconciler, make_reconcilers
from tests.unit.workers.shelf import BUCKET, Shelf

NOW_MS = 1_000_000


class Stop(threading.Event):
    """Nobody really waits; after so many waits it is set."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.waits = list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if len(self.waits) >= self.after:
            self.set()
        return self.is_set()


@dataclass
class Bucket(Shelf):
    """A shelf whose listings fail: each entry of `breaks` is how many objects a listing gives before its error."""

    breaks: list[int] = field(default_factory=list)
    error: Callable[[str], Exception] = StorageAway
    #: Called with each object that is listed.
    listing: Callable[[ObjectInfo], None] = lambda _: None

    def list(self, bucket: str, prefix: str, since_ms: int | None = None) -> Iterator[ObjectInfo]:
        breaks = self.breaks.pop(0) if self.breaks else None
        for number, info in enumerate(super().list(bucket, prefix)):
            if number == breaks:
                raise self.error("the store does not answer")
            self.listing(info)
            yield info


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with closing(EmbeddedLog(tmp_path / "log.sqlite", partitions=2)) as log:
        log.create_topics(TOPICS)
        yield log


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket()
    for number in range(6):
        bucket.put(BUCKET, f"day/{number}.wav", b"sound %d" % number, modified_ms=number)
    return bucket


def reconciler(bucket: Bucket, log: EmbeddedLog) -> Reconciler:
    lister = Lister(Source(bucket, BUCKET, "day/"), log, "reconcile", lambda: NOW_MS)
    return Reconciler(lister, every_s=300, skip_s=60)


def written(log: EmbeddedLog) -> tuple[list[str], list[int]]:
    """Keys that were written, and the moments that marks vouch for."""
    messages = [Codec().decode(record.value) for record in log.browse(RECORDINGS_SEEN.name)]
    seen = [one for one in messages if isinstance(one, ObjectSeen)]
    assert {one.origin for one in seen} <= {"reconcile"}
    return sorted(one.key for one in seen), [one.until_ms for one in messages if isinstance(one, CoverageMark)]


ALL = [f"day/{number}.wav" for number in range(6)]


def test_it_lists_at_once_and_then_from_time_to_time(bucket: Bucket, log: EmbeddedLog) -> None:
    LAST_LISTING.set(0)
    stop = Stop(after=3)
    reconciler(bucket, log).run(stop)
    assert stop.waits == [300, 300, 300]
    assert written(log) == (ALL, [NOW_MS - 60_000] * 2)
    assert REGISTRY.get_sample_value("ringtrue_last_listing_timestamp_seconds")


def test_a_young_object_is_left_to_its_notification_and_not_vouched_for(bucket: Bucket, log: EmbeddedLog) -> None:
    bucket.put(BUCKET, "day/young.wav", b"sound", modified_ms=NOW_MS - 59_000)
    reconciler(bucket, log).run(Stop(after=1))
    keys, marks = written(log)
    assert keys == ALL
    assert set(marks) == {NOW_MS - 60_000}


@pytest.mark.parametrize("place", [0, 3, 5])
def test_a_store_that_goes_away_is_asked_again_and_no_half_listing_vouches(
    bucket: Bucket, log: EmbeddedLog, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.listing._CHUNK", 2)
    bucket.breaks = [place, place]
    reconciler(bucket, log).run(Stop(after=2))
    keys, marks = written(log)
    assert set(keys) <= set(ALL[:place])
    assert marks == []
    stop = Stop(after=3)
    bucket.breaks = [place, place]
    reconciler(bucket, log).run(stop)
    assert stop.waits[0] < stop.waits[2] == 300
    keys, marks = written(log)
    assert set(keys) == set(ALL)
    assert len(marks) == 2


def test_it_stops_in_the_middle_of_a_listing_without_vouching(bucket: Bucket, log: EmbeddedLog) -> None:
    stop = threading.Event()
    bucket.listing = lambda info: stop.set() if info.key == "day/2.wav" else None
    reconciler(bucket, log).run(stop)
    assert written(log)[1] == []


def test_a_wrong_bucket_ends_it(bucket: Bucket, log: EmbeddedLog) -> None:
    bucket.breaks, bucket.error = [0], StorageMisconfigured
    with pytest.raises(StorageMisconfigured):
        reconciler(bucket, log).run(Stop(after=1))


@pytest.mark.parametrize(
    ("source", "every_s", "count"), [("s3://recordings/day", 300, 1), ("s3://recordings", 0, 0), ("folder", 300, 0)]
)
def test_only_a_bucket_is_reconciled_and_only_when_asked(
    log: EmbeddedLog, source: str, every_s: float, count: int
) -> None:
    settings = Settings(source=source, ingest=IngestSettings(reconcile_every_s=every_s))
    assert len(make_reconcilers(settings, log, Codec())) == count

"""A register on a bench with a bucket beside it: upload and announce objects, look at what it says of calls."""

import json
from zoneinfo import ZoneInfo

from ringtrue.messages import CallRegistered, CallRequested, HourCount, ObjectSeen
from ringtrue.streaming.topics import CALLS_REGISTERED, CALLS_REQUESTED, RECORDINGS_SEEN
from services.ingest.metadata import file_name_pattern
from services.ingest.objects import Origin, object_seen
from services.ingest.register import Register
from tests.unit.workers.bench import Bench
from tests.unit.workers.conftest import MakeBench
from tests.unit.workers.shelf import BUCKET, Shelf, etag_of

CALL = f"{BUCKET}/day/a"
CLIENT, OTHER_CLIENT = "212600000001", "212600000002"
#: 2026-11-18 10:00 in Casablanca, UTC+1.
START_MS = 1_794_992_400_000
HOUR_MS = 3_600_000


def sidecar(client: str = "0600000001", **fields: str) -> bytes:
    return json.dumps({"NUMERO_CLIENT": client, "DATE_DEBUT": "2026-11-18 10:00:00", **fields}).encode()


class Ingest:
    """A register on a bench, and its bucket."""

    def __init__(self, make_bench: MakeBench, *, select_all: bool = True, partitions: int = 1) -> None:
        self.shelf = Shelf()
        register = Register(
            self.shelf,
            ZoneInfo("Africa/Casablanca"),
            file_name_pattern(),
            select_all=select_all,
            partitions=partitions,
        )
        self.bench: Bench = make_bench(register, partitions)
        self._clock_ms = 1_000

    def upload(self, key: str, data: bytes, *, origin: Origin = "notification", **metadata: str) -> None:
        """Puts an object and announces it; nothing is read yet."""
        self._clock_ms += 1_000
        self.shelf.put(BUCKET, key, data, metadata=metadata)
        self.announce(key, data, origin=origin)

    def announce(self, key: str, data: bytes, *, origin: Origin = "notification", retry: bool = False) -> ObjectSeen:
        seen = object_seen(BUCKET, key, etag_of(data), len(data), self._clock_ms, origin)
        self.bench.feed(RECORDINGS_SEEN, seen, headers={"origin": "retry" if retry else origin})
        return seen

    def registered(self) -> list[CallRegistered]:
        """What the register newly says of calls, once it has read everything."""
        self.bench.run()
        return self.bench.news(CALLS_REGISTERED, CallRegistered)

    def requested(self) -> list[CallRequested]:
        """The runs that it newly asks for."""
        return self.bench.news(CALLS_REQUESTED, CallRequested)

    def hours(self) -> dict[int, tuple[int, int, int]]:
        """Registered, unassigned and undated recordings by hour, as the state counts them."""
        counts = [value for value in self.bench.state().values() if isinstance(value, HourCount)]
        return {
            count.hour_ms: (count.registered, count.unassigned, count.undated)
            for count in counts
            if count.registered or count.undated
        }

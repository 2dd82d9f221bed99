"""Intake: what a notification announces goes on under its own key."""

import json

from prometheus_client import REGISTRY

from ringtrue.messages import ObjectSeen
from ringtrue.streaming.topics import MANIFESTS_SEEN, RECORDINGS_NOTIFICATIONS, RECORDINGS_SEEN
from services.ingest.intake import Intake
from tests.unit.workers.bench import only
from tests.unit.workers.conftest import MakeBench


def notification(*keys: str, event: str = "s3:ObjectCreated:Put", bucket: str = "recordings") -> bytes:
    records = [
        {
            "eventName": event,
            "eventTime": "2026-11-18T09:00:00.000Z",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 3, "eTag": "e1"}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records}).encode()


def test_recordings_and_manifests_of_one_notification_go_to_their_topics_by_key(make_bench: MakeBench) -> None:
    bench = make_bench(Intake("recordings", ""))
    bench.feed(RECORDINGS_NOTIFICATIONS, notification("day/a+b.wav", "day/a+b.json", "m/crc_adsl.csv", "day/x.txt"))
    bench.run()
    seen = bench.sent(RECORDINGS_SEEN, ObjectSeen)
    assert [(one.key, one.call_id) for one in seen] == [
        ("day/a b.wav", "recordings/day/a b"),
        ("day/a b.json", "recordings/day/a b"),
        ("day/x.txt", None),
    ]
    keys = [record.key for record in bench.log.browse(RECORDINGS_SEEN.name)]
    assert keys == [b"recordings/day/a b", b"recordings/day/a b", b"recordings/day/x.txt"]
    assert only(bench.sent(MANIFESTS_SEEN, ObjectSeen)).key == "m/crc_adsl.csv"
    assert [record.key for record in bench.log.browse(MANIFESTS_SEEN.name)] == [b"recordings/m/crc_adsl.csv"]


def test_an_event_that_brings_nothing_new_goes_nowhere(make_bench: MakeBench) -> None:
    bench = make_bench(Intake("recordings", ""))
    bench.feed(
        RECORDINGS_NOTIFICATIONS,
        notification("day/a.wav", event="s3:ObjectCreated:PutTagging"),
        notification("day/.a.wav.part"),
        b'{"Event": "s3:TestEvent"}',
    )
    bench.run()
    assert not bench.sent(RECORDINGS_SEEN, ObjectSeen)
    assert not bench.letters()


def test_a_malformed_notification_is_a_dead_letter_and_stops_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(Intake("recordings", ""))
    bench.feed(RECORDINGS_NOTIFICATIONS, b"{", notification("day/a.wav"))
    bench.run()
    letter = only(bench.letters())
    assert (letter.error, letter.value, letter.topic) == ("malformed_notification", b"{", RECORDINGS_NOTIFICATIONS.name)
    assert only(bench.sent(RECORDINGS_SEEN, ObjectSeen)).key == "day/a.wav"


def test_an_object_outside_of_the_source_is_left_alone(make_bench: MakeBench) -> None:
    bench = make_bench(Intake("recordings", "day/"))
    dropped = {"worker": "ingest-intake", "why": "outside of the source"}
    before = REGISTRY.get_sample_value("ringtrue_dropped_total", dropped) or 0
    bench.feed(
        RECORDINGS_NOTIFICATIONS,
        notification("other%2Fa.wav", "day%2Fb.wav", "reports%2Fcrc_adsl.csv"),
        notification("day%2Fc.wav", bucket="another"),
    )
    bench.run()
    assert [one.key for one in bench.sent(RECORDINGS_SEEN, ObjectSeen)] == ["day/b.wav"]
    assert not bench.sent(MANIFESTS_SEEN, ObjectSeen)
    assert not bench.letters()
    assert REGISTRY.get_sample_value("ringtrue_dropped_total", dropped) == before + 3

"""The register: recordings meet their metadata; what is a duplicate is dropped, what cannot be used is refused."""

import json

import pytest
from prometheus_client import REGISTRY

from ringtrue.streaming.topics import RECORDINGS_SEEN
from tests.unit.workers.bench import only
from tests.unit.workers.conftest import MakeBench
from tests.unit.workers.registering import CALL, CLIENT, OTHER_CLIENT, START_MS, Ingest, sidecar
from tests.unit.workers.shelf import BUCKET, etag_of


@pytest.fixture
def ingest(make_bench: MakeBench) -> Ingest:
    return Ingest(make_bench)


def test_a_recording_is_registered_with_the_sidecar_that_came_before_it(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar(BRANCHE="ADSL_SAV", CALL_ID="7"))
    assert not ingest.registered()
    ingest.upload("day/a.wav", b"sound")
    call = only(ingest.registered())
    assert (call.call_id, call.client_number, call.started_at_ms) == (CALL, CLIENT, START_MS)
    assert (call.branch, call.external_id, call.status, call.requested) == ("ADSL_SAV", "7", "registered", True)
    run = only(ingest.requested())
    assert (run.call_id, run.run, run.key, run.etag) == (CALL, call.run, "day/a.wav", etag_of(b"sound"))


def test_the_technician_s_channel_goes_along_with_the_request(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar(CANAL_TECHNICIEN="2"))
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/b.wav", b"sound", canal_technicien="1")
    ingest.upload("day/c.wav", b"sound")
    ingest.registered()
    assert [run.agent_channel for run in ingest.requested()] == [1, 0, None]


def test_a_sidecar_that_comes_after_its_recording_raises_the_revision_and_asks_for_nothing(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    first = only(ingest.registered())
    assert len(ingest.requested()) == 1
    ingest.upload("day/a.json", sidecar())
    second = only(ingest.registered())
    assert (first.client_number, second.client_number) == (None, CLIENT)
    assert second.run == first.run
    assert second.revision > first.revision
    assert not ingest.requested()


def test_both_in_one_batch_meet_in_either_order(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/b.json", sidecar("0600000002"))
    ingest.upload("day/b.wav", b"another")
    latest = {call.call_id: call.client_number for call in ingest.registered()}
    assert latest == {CALL: CLIENT, f"{BUCKET}/day/b": OTHER_CLIENT}
    assert len(ingest.requested()) == 2


def test_a_corrected_sidecar_raises_the_revision_only(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    first = only(ingest.registered())
    ingest.requested()
    ingest.upload("day/a.json", sidecar("0600000002"))
    second = only(ingest.registered())
    assert (second.run, second.client_number) == (first.run, OTHER_CLIENT)
    assert second.revision > first.revision
    assert not ingest.requested()


def test_a_sidecar_that_was_written_long_ago_still_makes_a_greater_revision(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    first = only(ingest.registered())
    ingest._clock_ms = 10
    ingest.upload("day/a.json", sidecar())
    assert only(ingest.registered()).revision > first.revision


def test_a_new_version_of_a_recording_is_a_new_run_that_keeps_its_metadata(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    first = only(ingest.registered())
    ingest.requested()
    ingest.upload("day/a.wav", b"other sound")
    second = only(ingest.registered())
    assert second.run > first.run
    assert (second.client_number, second.etag) == (CLIENT, etag_of(b"other sound"))
    assert only(ingest.requested()).run == second.run


def test_an_event_from_the_past_still_makes_a_greater_run(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    first = only(ingest.registered())
    ingest._clock_ms = 10
    ingest.upload("day/a.wav", b"other sound")
    assert only(ingest.registered()).run > first.run


def test_what_is_announced_again_or_listed_again_changes_nothing(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    ingest.registered()
    ingest.requested()
    for origin in ("notification", "scan", "reconcile"):
        ingest.announce("day/a.wav", b"sound", origin=origin)
        ingest.announce("day/a.json", sidecar(), origin=origin)
    assert not ingest.registered()
    assert not ingest.requested()
    assert ingest.hours() == {START_MS: (1, 0, 0)}


def recovered(kind: str) -> float:
    return REGISTRY.get_sample_value("ringtrue_recordings_recovered_total", {"kind": kind}) or 0.0


def test_what_a_listing_brings_and_no_notification_had_is_counted_as_recovered(ingest: Ingest) -> None:
    before = recovered("audio"), recovered("sidecar")
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    ingest.announce("day/a.json", sidecar(), origin="reconcile")
    ingest.announce("day/a.wav", b"sound", origin="reconcile")
    ingest.upload("day/folder.wav", b"sound", origin="scan")
    ingest.registered()
    assert (recovered("audio"), recovered("sidecar")) == before
    ingest.upload("day/a.json", sidecar("0600000002"), origin="reconcile")
    ingest.upload("day/b.wav", b"sound", origin="reconcile")
    ingest.registered()
    ingest.upload("day/a.wav", b"another version", origin="reconcile")
    ingest.registered()
    assert (recovered("audio"), recovered("sidecar")) == (before[0] + 2, before[1] + 1)


def test_a_listing_of_what_is_known_asks_the_store_nothing(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    ingest.registered()
    ingest.shelf.away = 1
    ingest.announce("day/a.json", sidecar(), origin="reconcile")
    ingest.announce("day/a.wav", b"sound", origin="reconcile")
    assert not ingest.registered()
    assert ingest.shelf.away == 1


def test_what_is_registered_is_what_the_store_holds_not_what_the_notification_says(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/a.wav", b"other sound")  # both announcements are read only now
    assert [call.etag for call in ingest.registered()] == [etag_of(b"other sound")]
    assert len(ingest.requested()) == 1


def test_metadata_comes_field_by_field_from_sidecar_object_and_file_name(ingest: Ingest) -> None:
    ingest.upload("0600000009_20261118-100000.json", json.dumps({"BRANCHE": "ADSL_SAV", "NUMERO_CLIENT": "?"}).encode())
    ingest.upload("0600000009_20261118-100000.wav", b"sound", numero_client="0600000002", numero_technicien="agent 7")
    call = only(ingest.registered())
    assert (call.branch, call.client_number, call.agent_number) == ("ADSL_SAV", OTHER_CLIENT, "agent 7")
    assert call.started_at_ms == START_MS
    assert "NUMERO_CLIENT" in only(list(call.warnings))


def test_a_second_recording_of_the_same_name_is_refused_once(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/a.ogg", b"the same in another format")
    assert only(ingest.registered()).key == "day/a.wav"
    ingest.announce("day/a.ogg", b"the same in another format", origin="scan")
    assert not ingest.registered()
    letter = only(ingest.bench.letters())
    assert (letter.error, letter.subject, letter.call_id) == ("duplicate_recording", CALL, CALL)
    assert "day/a.ogg" in letter.message
    assert "day/a.wav" in letter.message


def test_a_retry_of_a_refused_recording_is_heard_again(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/a.ogg", b"other")
    ingest.registered()
    ingest.announce("day/a.ogg", b"other", retry=True)
    ingest.registered()
    assert ingest.bench.refusals() == ["duplicate_recording"] * 2


def test_a_file_of_an_unknown_kind_is_refused_once(ingest: Ingest) -> None:
    for _ in range(2):
        ingest.upload("day/notes.txt", b"text")
        assert not ingest.registered()
    letter = only(ingest.bench.letters())
    assert letter.error == "unknown_suffix"
    assert ".wav" in letter.message


def test_a_broken_sidecar_is_refused_once_and_the_call_is_registered_without_it(ingest: Ingest) -> None:
    ingest.upload("0600000001_20261118-100000.wav", b"sound")
    ingest.upload("0600000001_20261118-100000.json", b"{ not JSON")
    call = only(ingest.registered())
    assert (call.client_number, call.started_at_ms) == (CLIENT, START_MS)
    letter = only(ingest.bench.letters())
    assert (letter.error, letter.part) == ("broken_sidecar", b"{ not JSON")
    assert letter.subject == f"{BUCKET}/0600000001_20261118-100000.json"
    ingest.announce("0600000001_20261118-100000.json", b"{ not JSON", origin="scan")
    assert not ingest.registered()
    assert len(ingest.bench.letters()) == 1


def test_a_sidecar_that_becomes_broken_leaves_what_was_known(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    ingest.registered()
    ingest.upload("day/a.json", b"[]")
    assert not ingest.registered()
    ingest.upload("day/a.wav", b"new sound")
    assert only(ingest.registered()).client_number == CLIENT
    assert ingest.bench.refusals() == ["broken_sidecar"]


def test_a_broken_sidecar_that_is_mended_assigns_the_call(ingest: Ingest) -> None:
    ingest.upload("day/a.json", b"[]")
    ingest.upload("day/a.wav", b"sound")
    assert only(ingest.registered()).client_number is None
    ingest.upload("day/a.json", sidecar())
    assert only(ingest.registered()).client_number == CLIENT


def test_a_good_sidecar_that_comes_back_over_a_broken_one_is_read(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    ingest.registered()
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.json", b"[]")  # before the first announcement is read
    assert not ingest.registered()
    assert ingest.bench.refusals() == ["broken_sidecar"]
    ingest.upload("day/a.json", sidecar())
    assert only(ingest.registered()).client_number == CLIENT


def test_a_sidecar_that_is_too_large_is_refused_and_the_call_registered_without_it(ingest: Ingest) -> None:
    ingest.upload("day/a.json", b" " * 1_000_001)
    ingest.upload("day/a.wav", b"sound")
    assert only(ingest.registered()).client_number is None
    assert ingest.bench.refusals() == ["broken_sidecar"]


def test_a_sidecar_that_is_written_at_this_moment_does_not_keep_its_recording_out(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.shelf.changes_after_stat.add("day/a.json")
    ingest.upload("day/a.wav", b"sound")
    assert only(ingest.registered()).client_number is None
    ingest.shelf.changes_after_stat.clear()
    ingest.upload("day/a.json", sidecar("0600000002"))
    assert only(ingest.registered()).client_number == OTHER_CLIENT
    assert not ingest.bench.refusals()


def test_a_recording_that_is_gone_is_refused_and_registered_once_it_is_put_back(ingest: Ingest) -> None:
    ingest.upload("day/a.wav", b"sound")
    ingest.shelf.remove("day/a.wav")
    assert not ingest.registered()
    assert ingest.bench.refusals() == ["object_gone"]
    ingest.upload("day/a.wav", b"sound")
    assert only(ingest.registered()).call_id == CALL


def test_nothing_is_lost_while_the_store_is_away(ingest: Ingest) -> None:
    ingest.upload("day/a.json", sidecar())
    ingest.upload("day/a.wav", b"sound")
    ingest.upload("day/b.wav", b"sound b")
    ingest.shelf.away = 5
    assert {call.call_id: call.client_number for call in ingest.registered()} == {CALL: CLIENT, f"{BUCKET}/day/b": None}
    assert len(ingest.requested()) == 2
    assert not ingest.bench.refusals()


def test_bytes_that_are_no_message_are_refused(ingest: Ingest) -> None:
    ingest.bench.feed(RECORDINGS_SEEN, b"\x00 no message")
    assert not ingest.registered()
    assert ingest.bench.refusals() == ["undecodable"]

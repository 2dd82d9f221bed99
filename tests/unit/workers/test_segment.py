"""Segment: every requested run is answered, with its parts or as failed, also when the worker dies on the way."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ringtrue.messages import CallHeard, CallRequested, Heard, SegmentAudio
from ringtrue.streaming.topics import CALLS_HEARD, CALLS_REQUESTED, SEGMENTS_AUDIO
from services.ingest import segment
from services.ingest.audio.decode import DEFAULT_LIMITS, Recording, Undecodable
from services.ingest.audio.hearing import Hearing, HearingSettings, Part
from services.ingest.segment import Segment
from tests.unit.workers.bench import Bench, Crash, only
from tests.unit.workers.conftest import MakeBench
from tests.unit.workers.shelf import BUCKET, Shelf, etag_of

RATE_HZ = 8_000


class Decoders:
    """Decodes in this process: `N seconds` is a recording of so many seconds, anything else is none."""

    def __init__(self, *_: object) -> None:
        pass

    @contextmanager
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)

    def decode_many(self, files: Sequence[tuple[str, Path]]) -> list[Recording | Undecodable]:
        return [self._decode(name, file.read_bytes()) for name, file in files]

    def close(self) -> None:
        pass

    def _decode(self, name: str, data: bytes) -> Recording | Undecodable:
        if not data.endswith(b" seconds"):
            return Undecodable("no_audio", f"{name} is no recording")
        samples = np.zeros(int(data.split()[0]) * RATE_HZ, np.int16)
        return Recording((samples,), RATE_HZ, RATE_HZ, 1, "WAV/PCM_16")


def hear(recordings: Sequence[Recording], *_: object) -> list[Hearing]:
    """One part for each second."""
    return [_hearing(recording.duration_ms // 1000) for recording in recordings]


def _hearing(seconds: int) -> Hearing:
    heard = Heard(
        duration_ms=seconds * 1000,
        codec="WAV/PCM_16",
        rate_hz=RATE_HZ,
        channels=1,
        rings=(),
        tones=(),
        speech_ms=0,
        warnings=(),
    )
    parts = tuple(
        Part(number, seconds, 0, number * 1000, number * 1000 + 1000, 0, RATE_HZ, np.full(RATE_HZ, number, np.int16))
        for number in range(seconds)
    )
    return Hearing(heard, parts, RATE_HZ, (), (), 0)


class Ear:
    """A segment worker on a bench, and its bucket."""

    def __init__(self, make_bench: MakeBench, max_backlog_s: float = 1e9) -> None:
        self.shelf = Shelf()
        self.bench: Bench = make_bench(None)
        self.bench.worker = Segment(
            self.shelf,
            self.bench.log,
            HearingSettings(),
            DEFAULT_LIMITS,
            decoders=1,
            max_backlog_s=max_backlog_s,
        )

    def request(self, *recordings: bytes) -> None:
        """Puts recordings and requests a run of each, as one batch."""
        for number, data in enumerate(recordings):
            self.shelf.put(BUCKET, f"{number}.wav", data)
            self.ask(requested(number, data))

    def ask(self, run: CallRequested) -> None:
        """Requests a run."""
        self.bench.feed(CALLS_REQUESTED, run)

    def heard(self) -> dict[str, CallHeard]:
        """What was said of each call; one that was said twice must have been said alike."""
        found = dict[str, CallHeard]()
        for heard in self.bench.sent(CALLS_HEARD, CallHeard):
            assert found.setdefault(heard.call_id, heard).parts_total == heard.parts_total
        return found

    def parts(self) -> dict[str, list[int]]:
        """The numbers of each call's parts, in the order in which they were sent."""
        found = dict[str, list[int]]()
        for part in self.bench.sent(SEGMENTS_AUDIO, SegmentAudio):
            samples, rate_hz = soundfile.read(io.BytesIO(part.flac), dtype="int16")
            assert (rate_hz, set(samples.tolist())) == (RATE_HZ, {part.index})
            found.setdefault(part.call_id, []).append(part.index)
        return found


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "DecoderPool", Decoders)
    monkeypatch.setattr(segment, "SpeechDetector", lambda: object())
    monkeypatch.setattr(segment, "hear_many", hear)


@pytest.fixture
def ear(make_bench: MakeBench) -> Ear:
    return Ear(make_bench)


def requested(number: int, data: bytes) -> CallRequested:
    return CallRequested(
        call_id=f"{BUCKET}/{number}",
        run=5,
        revision=5,
        bucket=BUCKET,
        key=f"{number}.wav",
        etag=etag_of(data),
        size=len(data),
        event_time_ms=0,
    )


def test_a_run_is_answered_with_what_was_heard_and_its_parts(ear: Ear) -> None:
    ear.request(b"2 seconds")
    ear.bench.run()
    heard = only(list(ear.heard().values()))
    assert (heard.call_id, heard.run, heard.status, heard.parts_total) == (f"{BUCKET}/0", 5, "ok", 2)
    assert heard.heard is not None
    assert heard.heard.duration_ms == 2_000
    first, second = ear.bench.sent(SEGMENTS_AUDIO, SegmentAudio)
    assert (first.run, first.index, first.total, first.start_ms, first.end_ms) == (5, 0, 2, 0, 1_000)
    assert (second.index, second.total, second.rate_hz) == (1, 2, RATE_HZ)


def test_hearing_is_told_on_which_channel_the_technician_should_be(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[int | None]()

    def listen(recordings: Sequence[Recording], *arguments: Sequence[int | None]) -> list[Hearing]:
        told.extend(arguments[-1])
        return hear(recordings)

    monkeypatch.setattr(segment, "hear_many", listen)
    ear.request(b"1 seconds")
    ear.ask(replace(requested(0, b"1 seconds"), agent_channel=1))
    ear.bench.run()
    assert told == [None, 1]


def test_a_recording_of_no_parts_is_answered_too(ear: Ear) -> None:
    ear.request(b"0 seconds")
    ear.bench.run()
    assert only(list(ear.heard().values())).parts_total == 0
    assert not ear.parts()


def test_a_damaged_recording_is_answered_as_failed_and_leaves_its_neighbours_alone(ear: Ear) -> None:
    ear.request(b"1 seconds", b"noise", b"3 seconds")
    ear.bench.run()
    heard = ear.heard()
    assert [heard[f"{BUCKET}/{number}"].status for number in range(3)] == ["ok", "failed", "ok"]
    failed = heard[f"{BUCKET}/1"]
    assert failed.failure is not None
    assert (failed.run, failed.failure.stage, failed.failure.reason) == (5, "ingest-segment", "no_audio")
    assert ear.parts() == {f"{BUCKET}/0": [0], f"{BUCKET}/2": [0, 1, 2]}
    letter = only(ear.bench.letters())
    assert (letter.error, letter.call_id, letter.run) == ("no_audio", f"{BUCKET}/1", 5)


def test_a_recording_that_was_replaced_since_is_answered_as_failed_for_its_run(ear: Ear) -> None:
    ear.request(b"1 seconds")
    ear.shelf.put(BUCKET, "0.wav", b"2 seconds")
    ear.bench.run()
    assert only(list(ear.heard().values())).status == "failed"
    assert ear.bench.refusals() == ["object_changed"]


def test_a_request_whose_bytes_cannot_be_read_is_answered_by_its_headers(ear: Ear) -> None:
    ear.bench.feed(CALLS_REQUESTED, b"?", headers={"call_id": "recordings/x", "run": "9"})
    ear.bench.feed(CALLS_REQUESTED, b"?", headers={"call_id": "recordings/x", "run": "nine"})
    ear.bench.run()
    heard = only(list(ear.heard().values()))
    assert (heard.call_id, heard.run, heard.status) == ("recordings/x", 9, "failed")
    assert ear.bench.refusals() == ["undecodable"] * 2


def test_nothing_is_lost_while_the_store_is_away(ear: Ear) -> None:
    ear.request(b"1 seconds", b"2 seconds")
    ear.shelf.away = 3
    ear.bench.run()
    assert ear.parts() == {f"{BUCKET}/0": [0], f"{BUCKET}/1": [0, 1]}
    assert not ear.bench.refusals()


def test_a_long_batch_is_heard_in_pieces(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    together = list[int]()

    def hear_and_count(recordings: Sequence[Recording], *_: object) -> list[Hearing]:
        together.append(len(recordings))
        return hear(recordings)

    monkeypatch.setattr(segment, "_BATCH_S", 4.0)
    monkeypatch.setattr(segment, "hear_many", hear_and_count)
    ear.request(b"3 seconds", b"2 seconds", b"2 seconds", b"9 seconds")
    ear.bench.run()
    assert together == [1, 2, 1]
    assert [len(parts) for parts in ear.parts().values()] == [3, 2, 2, 9]


@pytest.mark.parametrize("dies_after", [1, 2, 3])
def test_a_call_of_several_transactions_takes_no_neighbour_along_when_the_worker_dies(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    monkeypatch.setattr(segment, "_CHUNK_BYTES", 12)  # three parts
    ear.request(b"1 seconds", b"noise", b"7 seconds", b"2 seconds")
    with pytest.raises(Crash):
        ear.bench.run(dies_after=dies_after)
    ear.bench.run()
    parts = {call_id: set(numbers) for call_id, numbers in ear.parts().items()}
    assert parts == {f"{BUCKET}/0": {0}, f"{BUCKET}/2": set(range(7)), f"{BUCKET}/3": {0, 1}}
    assert {call_id: one.status for call_id, one in ear.heard().items()} == {
        f"{BUCKET}/{number}": "failed" if number == 1 else "ok" for number in range(4)
    }
    ear.bench.run()
    assert ear.bench.refusals() == ["no_audio"]


def test_nothing_is_taken_while_asr_is_far_behind(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "_LOOK_EVERY_S", 0.0)
    worker = Ear(make_bench, max_backlog_s=25.0).bench.worker
    assert isinstance(worker, Segment)
    assert not worker.paused()
    part = SegmentAudio(
        call_id="recordings/x",
        run=1,
        index=0,
        total=1,
        channel=0,
        start_ms=0,
        end_ms=1000,
        overlap_ms=0,
        rate_hz=RATE_HZ,
        flac=b"",
        event_time_ms=0,
    )
    bench = make_bench(worker)
    bench.feed(SEGMENTS_AUDIO, part, part)
    assert not worker.paused()
    bench.feed(SEGMENTS_AUDIO, part)
    assert worker.paused().startswith("asr has 3 parts")

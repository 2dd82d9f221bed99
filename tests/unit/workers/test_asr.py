"""The ASR worker: every part is answered for itself, by words in the time of the recording or as failed."""

import io
import threading
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from ringtrue.messages import SegmentAudio, SegmentTranscribed
from ringtrue.streaming.topics import SEGMENTS_AUDIO, SEGMENTS_TRANSCRIBED
from services.asr import worker
from services.asr.engine import Segment, StubEngine, Transcription
from services.asr.worker import Asr
from tests.unit.workers.bench import Bench, only
from tests.unit.workers.conftest import MakeBench

CALL = "recordings/day/a"
RATE_HZ = 8_000


def flac(seconds: float, *, level: float = 0.1, channels: int = 1, file_format: str = "FLAC") -> bytes:
    file = io.BytesIO()
    samples = np.full((round(seconds * RATE_HZ), channels), level, np.float32)
    soundfile.write(file, samples, RATE_HZ, format=file_format, subtype="PCM_16")
    return file.getvalue()


def part(index: int, total: int, sound: bytes, *, start_ms: int = 0, channel: int = 0) -> SegmentAudio:
    return SegmentAudio(
        call_id=CALL,
        run=7,
        index=index,
        total=total,
        channel=channel,
        start_ms=start_ms,
        end_ms=start_ms + 1_000,
        overlap_ms=40,
        rate_hz=RATE_HZ,
        flac=sound,
        event_time_ms=0,
    )


class PickyEngine(StubEngine):
    """The stub, but any batch that holds a loud segment is refused. Remembers how long its batches were."""

    batches: ClassVar[list[list[float]]] = []

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        self.batches.append([len(segment.samples) / segment.rate_hz for segment in segments])
        if any(np.max(segment.samples) > 0.8 for segment in segments):
            raise ValueError("too loud")
        return super().transcribe(segments)


@pytest.fixture
def bench(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(worker, "load_engine", lambda *_: PickyEngine())
    PickyEngine.batches.clear()
    return make_bench(Asr("picky", "", "cpu", batch_s=3.0, linger_s=0.0))


def answers(bench: Bench, *parts: SegmentAudio) -> dict[int, SegmentTranscribed]:
    """The answers by part number, of parts that arrive as one batch."""
    bench.feed(SEGMENTS_AUDIO, *parts)
    bench.run()
    found = bench.news(SEGMENTS_TRANSCRIBED, SegmentTranscribed)
    assert len(found) == len(parts)
    return {answer.index: answer for answer in found}


def test_words_stand_at_their_time_in_the_recording_and_their_channel(make_bench: MakeBench) -> None:
    bench = make_bench(Asr("stub", "", "cpu", batch_s=200.0, linger_s=0.0))
    answer = answers(bench, part(3, 4, flac(1.2), start_ms=5_000, channel=1))[3]
    assert [(word.text, word.start_ms, word.end_ms, word.channel) for word in answer.words] == [
        ("allô", 5_000, 5_500, 1),
        ("oui", 5_500, 6_000, 1),
    ]
    assert (answer.call_id, answer.run, answer.total, answer.channel) == (CALL, 7, 4, 1)
    assert (answer.start_ms, answer.end_ms, answer.overlap_ms) == (5_000, 6_000, 40)
    assert (answer.status, answer.failure, answer.model, answer.model_revision) == ("ok", None, "stub", "1")


def test_a_worker_that_has_stopped_leaves_no_thread_behind(bench: Bench) -> None:
    answers(bench, part(0, 1, flac(0.5)))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")] == []


def test_a_batch_is_bounded_by_seconds_of_audio_and_a_longer_part_goes_alone(bench: Bench) -> None:
    answers(bench, *(part(index, 6, flac(seconds)) for index, seconds in enumerate((1, 1, 1, 2, 4, 1))))
    warm_up, *batches = PickyEngine.batches
    assert warm_up == [1.0]
    assert batches == [[1.0, 1.0, 1.0], [2.0], [4.0], [1.0]]


def test_a_part_that_the_engine_refuses_is_found_among_its_neighbours(bench: Bench) -> None:
    assert isinstance(bench.worker, Asr)
    bench.worker._batch_s = 100.0  # one batch for all of them
    sounds = [flac(0.6, level=0.9 if index in (2, 5) else 0.1) for index in range(7)]
    found = answers(bench, *(part(index, 7, sound) for index, sound in enumerate(sounds)))
    assert {index for index, answer in found.items() if answer.status == "failed"} == {2, 5}
    failure = found[2].failure
    assert failure is not None
    assert (failure.stage, failure.reason) == ("asr", "not_transcribable")
    assert all(len(answer.words) == 1 for index, answer in found.items() if index not in (2, 5))
    assert bench.refusals() == ["not_transcribable"] * 2


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(b"no audio", id="no audio"),
        pytest.param(b"", id="nothing"),
        pytest.param(flac(0.5, file_format="WAV"), id="another format"),
        pytest.param(flac(0.5, channels=2), id="two channels"),
        pytest.param(flac(0.5)[:20], id="torn off"),
        pytest.param(flac(0.0), id="no sample"),
    ],
)
def test_a_part_that_is_not_mono_flac_is_answered_as_failed_with_a_dead_letter(bench: Bench, sound: bytes) -> None:
    found = answers(bench, part(0, 2, sound, start_ms=900, channel=1), part(1, 2, flac(0.6)))
    assert (found[0].status, found[0].start_ms, found[0].channel, found[0].words) == ("failed", 900, 1, ())
    assert found[0].failure is not None
    assert found[0].failure.reason == "not_flac"
    assert found[1].status == "ok"
    letter = only(bench.letters())
    assert (letter.error, letter.call_id, letter.run) == ("not_flac", CALL, 7)


def test_a_part_whose_bytes_cannot_be_read_is_answered_by_its_headers(bench: Bench) -> None:
    bench.feed(SEGMENTS_AUDIO, b"?", headers={"call_id": CALL, "run": "7", "index": "1", "total": "3"})
    bench.run()
    answer = only(bench.sent(SEGMENTS_TRANSCRIBED, SegmentTranscribed))
    assert (answer.call_id, answer.run, answer.index, answer.total) == (CALL, 7, 1, 3)
    assert answer.status == "failed"
    assert bench.refusals() == ["undecodable"]


@pytest.mark.parametrize("headers", [{}, {"call_id": CALL, "run": "7", "index": "", "total": "3"}])
def test_a_record_that_names_no_part_gets_only_its_dead_letter(bench: Bench, headers: dict[str, str]) -> None:
    bench.feed(SEGMENTS_AUDIO, b"?", headers=headers)
    bench.run()
    assert not bench.sent(SEGMENTS_TRANSCRIBED, SegmentTranscribed)
    assert bench.refusals() == ["undecodable"]

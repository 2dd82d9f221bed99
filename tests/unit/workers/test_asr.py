"""The ASR worker: every part is answered for itself, by words in the time of the recording or as failed."""

import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile
from prometheus_client import REGISTRY

from ringtrue.errors import Away
from ringtrue.messages import SegmentAudio, SegmentTranscribed
from ringtrue.streaming.topics import SEGMENTS_AUDIO, SEGMENTS_TRANSCRIBED
from services.asr import worker
from services.asr.engine import EngineOptions, Segment, SegmentError, Transcription
from services.asr.stub import StubEngine
from services.asr.worker import Asr, decode
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
    """The stub, but a loud segment is refused with all that share its window. Remembers how long those were."""

    window_s = 4.0
    windows: ClassVar[list[list[float]]] = []

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        self.windows.append([segment.duration_s for segment in segments])
        if any(np.max(segment.samples) > 0.8 for segment in segments):
            raise SegmentError("too loud")
        return super().transcribe(segments)


class Waiting:
    """A log that says how many parts wait, or that it is away."""

    def __init__(self, parts: int | None = 0) -> None:
        self._parts = parts

    def backlog(self, groups: Mapping[str, Sequence[str]]) -> Mapping[tuple[str, str], int]:
        assert groups == {"asr": ["segments.audio"]}
        if self._parts is None:
            raise Away("no broker answers")
        return {("asr", "segments.audio"): self._parts}


def asr(parts: int | None = 0) -> Asr:
    log: Any = Waiting(parts)
    return Asr(log, "stub", EngineOptions(), linger_s=0.0)


@pytest.fixture
def bench(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(worker, "load_engine", lambda *_: PickyEngine())
    PickyEngine.windows.clear()
    return make_bench(asr())


def answers(bench: Bench, *parts: SegmentAudio) -> dict[int, SegmentTranscribed]:
    """The answers by part number, of parts that arrive as one batch."""
    bench.feed(SEGMENTS_AUDIO, *parts)
    bench.run()
    found = bench.news(SEGMENTS_TRANSCRIBED, SegmentTranscribed)
    assert len(found) == len(parts)
    return {answer.index: answer for answer in found}


def test_words_stand_at_their_time_in_the_recording_and_their_channel(make_bench: MakeBench) -> None:
    bench = make_bench(asr())
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


def test_parts_are_taken_by_length_of_audio_as_the_engines_window_wants(bench: Bench) -> None:
    answers(bench, *(part(index, 150, flac(0.5)) for index in range(150)))
    assert PickyEngine.windows[:2] == [[1.0], [25.0]]  # the warm-up, before it is ready
    taken = [len(window) for window in PickyEngine.windows[2:]]
    assert taken[0] == 1  # a part is taken to last longer than the window, as long as none was seen
    assert max(taken) == 8  # half seconds in a window of four
    assert sum(taken) == 150


def test_results_carry_what_the_engine_says_of_language_margin_and_other_texts(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Talkative(StubEngine):
        def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
            return [
                replace(one, language="fr", margin=0.25, alternatives=("à l'eau",))
                for one in super().transcribe(segments)
            ]

    monkeypatch.setattr(worker, "load_engine", lambda *_: Talkative())
    answer = answers(make_bench(asr()), part(0, 1, flac(1.0)))[0]
    assert (answer.language, answer.margin, answer.alternatives) == ("fr", 0.25, ("à l'eau",))


def test_the_backlog_is_told_in_seconds_of_audio_and_the_age_of_what_is_taken(make_bench: MakeBench) -> None:
    before = REGISTRY.get_sample_value("ringtrue_asr_queue_age_seconds_count") or 0
    answers(make_bench(asr(parts=30)), part(0, 1, flac(1.0)))
    # Before any was seen a part is taken to last 10 s.
    assert REGISTRY.get_sample_value("ringtrue_asr_backlog_audio_seconds") == 300
    assert REGISTRY.get_sample_value("ringtrue_asr_queue_age_seconds_count") == before + 1


def test_parts_that_are_longer_than_those_before_go_in_windows_of_their_own(bench: Bench) -> None:
    assert isinstance(bench.worker, Asr)
    bench.worker._part_s = 0.25  # so that all are taken at once
    answers(bench, *(part(index, 8, flac(seconds)) for index, seconds in enumerate((2, 2, 1, 3, 9, 1, 1, 1))))
    assert PickyEngine.windows[2:] == [[2.0, 2.0, 1.0], [3.0], [9.0], [1.0, 1.0, 1.0]]


def test_a_slow_engine_is_given_no_more_than_it_does_in_a_minute(make_bench: MakeBench) -> None:
    bench = make_bench(asr())
    answers(bench, part(0, 1, flac(1.0)))
    assert isinstance(bench.worker, Asr)
    bench.worker._part_s, bench.worker._speed = 10.0, 1.0
    assert bench.worker.wanted() == 6
    bench.worker._speed = 1_000.0
    assert bench.worker.wanted() == 40  # the stub's window of 400 s


def test_a_fault_of_the_engine_is_no_fault_of_the_parts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[Transcription]:
        raise ValueError("not enough values to unpack")

    bench.feed(SEGMENTS_AUDIO, part(0, 2, flac(1.0)), part(1, 2, flac(1.0)))
    monkeypatch.setattr(PickyEngine, "transcribe", broken)
    with pytest.raises(ValueError, match="not enough values"):
        bench.run()
    assert bench.refusals() == []


def test_a_part_that_was_refused_before_it_was_handled_is_not_decoded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[object]()

    def watched(message: object) -> Segment:
        looked.append(message)
        return decode(message)

    monkeypatch.setattr(worker, "decode", watched)
    bench.feed(SEGMENTS_AUDIO, b"?", headers={"call_id": CALL, "run": "7", "index": "1", "total": "3"})
    bench.run()
    assert looked == []


def test_a_log_that_cannot_tell_the_backlog_is_no_reason_to_stop(make_bench: MakeBench) -> None:
    assert answers(make_bench(asr(parts=None)), part(0, 1, flac(1.0)))[0].status == "ok"


def test_a_lost_gpu_ends_the_process_and_loses_no_part(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> list[Transcription]:
        if len(PickyEngine.windows) >= 2:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        PickyEngine.windows.append([])
        return []

    monkeypatch.setattr(PickyEngine, "transcribe", lost)
    bench.feed(SEGMENTS_AUDIO, part(0, 1, flac(1.0)))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        bench.run()
    assert bench.refusals() == []
    monkeypatch.undo()
    bench.run()
    assert only(bench.news(SEGMENTS_TRANSCRIBED, SegmentTranscribed)).status == "ok"


def test_a_part_that_the_engine_refuses_is_found_among_its_neighbours(bench: Bench) -> None:
    assert isinstance(bench.worker, Asr)
    bench.worker._part_s = 0.5  # one window for all of them
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

"""Progress in seconds of audio: read along in the log, told now and then, and not at all when all is over soon."""

import io
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from rich.console import Console

from ringtrue.cli import audio_progress
from ringtrue.cli.audio_progress import Tally, clock, follow_audio, in_words
from ringtrue.messages import CallHeard, CallTranscribed, Failure, SegmentTranscribed
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import CALLS_HEARD, CALLS_TRANSCRIBED, SEGMENTS_TRANSCRIBED, TOPICS
from tests.unit.archive import made

Message = CallHeard | SegmentTranscribed | CallTranscribed
DAMAGED = Failure(stage="ingest-segment", reason="undecodable", message="no audio in it")


def heard(call: str, seconds: int, parts: int) -> CallHeard:
    sound = made.heard(duration_ms=seconds * 1000)
    return CallHeard(call_id=call, run=1, status="ok", heard=sound, parts_total=parts, event_time_ms=0)


def unheard(call: str) -> CallHeard:
    return CallHeard(call_id=call, run=1, status="failed", failure=DAMAGED, parts_total=0, event_time_ms=0)


def part(call: str) -> SegmentTranscribed:
    failed = SegmentTranscribed.failed({"call_id": call, "run": "1", "index": "0", "total": "2"}, DAMAGED, 0)
    assert failed is not None
    return failed


def tally(files: int, *messages: Message) -> Tally:
    counted = Tally(files)
    for message in messages:
        counted.add(message)
    return counted


def test_a_recording_counts_by_the_share_of_its_parts_that_is_done() -> None:
    counted = tally(2, heard("a", 60, 4), heard("b", 30, 1), part("a"))
    assert (counted.heard, counted.total_s, counted.done_s) == (2, 90.0, 15.0)
    counted.add(part("b"))
    assert counted.done_s == 45.0


def test_the_order_of_messages_changes_nothing() -> None:
    said: list[Message] = [heard("a", 60, 3), part("a"), part("a"), heard("b", 40, 1)]
    assert {tally(2, *order).done_s for order in permutations(said)} == {40.0}


def test_a_recording_without_speech_is_done_once_it_was_heard() -> None:
    assert tally(1, heard("a", 60, 0)).done_s == 60.0


def test_a_recording_that_cannot_be_heard_has_no_audio_to_wait_for() -> None:
    counted = tally(2, unheard("a"), heard("b", 60, 1))
    assert (counted.heard, counted.total_s, counted.expected_s) == (2, 60.0, 60.0)


def test_recordings_not_heard_yet_are_expected_to_be_like_the_others() -> None:
    assert tally(4, heard("a", 60, 1), heard("b", 20, 1)).expected_s == 160.0


def test_the_line_says_what_is_done_how_fast_it_goes_and_when_it_ends() -> None:
    assert in_words(tally(1), 3.0) == "hearing 1 file"
    assert in_words(tally(2, heard("a", 60, 2), heard("b", 30, 1)), 3.0) == "0:00 of 1:30 of audio"
    half = tally(3, heard("a", 60, 2), heard("b", 30, 1), part("a"))
    assert in_words(half, 10.0) == ("0:30 of 1:30 of audio, 3.0 audio-seconds/s, 0:35 left, 2 of 3 files heard")


@pytest.mark.parametrize(("seconds", "told"), [(0, "0:00"), (61, "1:01"), (3600, "1:00:00"), (36_125.6, "10:02:06")])
def test_lengths_of_time_are_told_as_on_a_clock(seconds: float, told: str) -> None:
    assert clock(seconds) == told


class Bench:
    """A log that a run writes to, and a clock that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.log = EmbeddedLog(folder / "log.sqlite")
        self.log.create_topics(TOPICS)
        self.now_s = 100.0
        self._codec = Codec()

    def says(self, *messages: Message) -> None:
        topics = {CallHeard: CALLS_HEARD, SegmentTranscribed: SEGMENTS_TRANSCRIBED, CallTranscribed: CALLS_TRANSCRIBED}
        for message in messages:
            record = Outgoing(topics[type(message)].name, message.call_id.encode(), self._codec.encode(message))
            self.log.append([record])

    def follow(self, files: int, script: dict[float, list[Message]]) -> None:
        """Runs through a script: what is said after how many seconds."""
        with follow_audio(self.log, files, now_s=lambda: self.now_s) as show:
            for after_s, messages in script.items():
                self.says(*messages)
                self.now_s = 100.0 + after_s
                show()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.log.close()


SCRIPT: dict[float, list[Message]] = {
    1.0: [],
    2.0: [heard("recordings/a", 60, 2)],
    4.0: [part("recordings/a")],
    7.0: [],
    10.0: [part("recordings/a"), made.transcribed("recordings/a")],
}


def test_elsewhere_than_on_a_terminal_a_line_is_told_now_and_then_and_the_whole_at_the_end(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.follow(1, SCRIPT)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "0:00 of 1:00 of audio",
        "0:30 of 1:00 of audio, 4.3 audio-seconds/s, 0:07 left",
        "1:00 of audio in 0:10, 6.0 audio-seconds/s",
    ]


def test_nothing_is_told_of_what_is_over_within_two_seconds(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.follow(1, {0.5: [heard("recordings/a", 60, 1)], 1.9: [part("recordings/a")]})
    assert capsys.readouterr().err == ""


def test_a_terminal_sees_a_bar_that_goes_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(
        audio_progress, "news", lambda: Console(file=screen, force_terminal=True, width=100, highlight=False)
    )
    bench.follow(1, SCRIPT)
    shown = screen.getvalue()
    assert "0:30 of 1:00 of audio" in shown
    assert shown.endswith("\x1b[2K1:00 of audio in 0:10, 6.0 audio-seconds/s\n")


def test_a_run_that_fails_is_not_summed_up(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with follow_audio(bench.log, 1, now_s=lambda: bench.now_s) as show:
            bench.now_s += 3.0
            show()
            raise RuntimeError("asr ended")

    with pytest.raises(RuntimeError, match="asr ended"):
        fail()
    assert capsys.readouterr().err == "hearing 1 file\n"


def test_what_cannot_be_read_is_passed_over(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.log.append([Outgoing(CALLS_HEARD.name, b"recordings/a", b"no message")])
    bench.follow(1, {3.0: [heard("recordings/a", 60, 1)]})
    assert "0:00 of 1:00 of audio" in capsys.readouterr().err

"""How far a transcription is, in seconds of audio: what is done and what there is, how fast it goes, when it will end.

It reads along in the log of the run, as a group of its own: a part counts as soon as it has its words.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ringtrue.console import news
from ringtrue.errors import Away, BadRecord
from ringtrue.messages import CallHeard, CallTranscribed, SegmentTranscribed
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import Log, Member, Subscription
from ringtrue.streaming.topics import CALLS_HEARD, CALLS_TRANSCRIBED, SEGMENTS_TRANSCRIBED

_GROUP = "transcribe-progress"
_TOPICS = (CALLS_HEARD.name, SEGMENTS_TRANSCRIBED.name, CALLS_TRANSCRIBED.name)
_LOOK_EVERY_S = 0.5
_SAY_EVERY_S = 5.0
#: What is over sooner needs no progress.
_QUIET_S = 2.0
_BATCH = 1000


@dataclass(slots=True)
class _File:
    duration_ms: int = 0
    parts: int = 0
    parts_done: int = 0
    heard: bool = False
    closed: bool = False

    @property
    def done_ms(self) -> float:
        share = 1.0 if self.closed or not self.parts else min(1.0, self.parts_done / self.parts)
        return self.duration_ms * share


@dataclass(slots=True)
class Tally:
    """What the messages of a run have said so far.

    Attributes:
        files: How many recordings there are.
    """

    files: int
    _known: dict[str, _File] = field(default_factory=dict)

    def add(self, message: object) -> None:
        """Takes note of a message, in whatever order they come."""
        match message:
            case CallHeard() as heard:
                file = self._file(heard.call_id)
                file.heard, file.parts = True, heard.parts_total
                file.duration_ms = heard.heard.duration_ms if heard.heard else 0
            case SegmentTranscribed() as part:
                self._file(part.call_id).parts_done += 1
            case CallTranscribed() as call:
                self._file(call.call_id).closed = True

    def _file(self, call_id: str) -> _File:
        return self._known.setdefault(call_id, _File())

    @property
    def heard(self) -> int:
        """Of how many recordings the length is known."""
        return sum(file.heard for file in self._known.values())

    @property
    def total_s(self) -> float:
        """Seconds of audio in the recordings that were heard."""
        return sum(file.duration_ms for file in self._known.values()) / 1000

    @property
    def done_s(self) -> float:
        """Seconds of audio that have their text. A recording counts by the share of its parts."""
        return sum(file.done_ms for file in self._known.values()) / 1000

    @property
    def expected_s(self) -> float:
        """Seconds of audio in all recordings, those not heard yet taken to be as long as the others are on average."""
        return self.total_s * self.files / self.heard if self.heard else 0.0


def in_words(tally: Tally, elapsed_s: float) -> str:
    """The progress in a line; `elapsed_s` is since the start, which the loading of a model is part of."""
    if not tally.heard:
        return f"hearing {tally.files} {'file' if tally.files == 1 else 'files'}"
    said = [f"{clock(tally.done_s)} of {clock(tally.total_s)} of audio"]
    if tally.done_s and elapsed_s > 0:
        left_s = (tally.expected_s - tally.done_s) * elapsed_s / tally.done_s
        said += [speed(tally.done_s, elapsed_s), f"{clock(left_s)} left"]
    if tally.heard < tally.files:
        said.append(f"{tally.heard} of {tally.files} files heard")
    return ", ".join(said)


def speed(audio_s: float, elapsed_s: float) -> str:
    """Seconds of audio per second."""
    return f"{audio_s / elapsed_s:.1f} audio-seconds/s"


def clock(seconds: float) -> str:
    """A length of time as m:ss or h:mm:ss."""
    whole = round(max(0.0, seconds))
    minutes = f"{whole // 60 % 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes:0>5}" if whole >= 3600 else minutes


@contextmanager
def follow_audio(log: Log, files: int, *, now_s: Callable[[], float] = time.monotonic) -> Iterator[Callable[[], None]]:
    """Shows the progress on standard error while the block runs: live on a terminal, a line now and then elsewhere.

    What it yields looks and shows; it may be called as often as one likes.
    """
    show = _Show(news(), files, now_s)
    member = log.join(Subscription(_GROUP, "0", _TOPICS))
    try:
        with closing(show):
            yield lambda: show.look(member)
            show.look(member, at_last=True)
    finally:
        member.leave()
    show.sum_up()


class _Show:
    def __init__(self, console: Console, files: int, now_s: Callable[[], float]) -> None:
        self._console = console
        self._tally = Tally(files)
        self._now_s = now_s
        self._codec = Codec()
        self._started = now_s()
        self._next_look = self._started
        self._next_line = self._started + _QUIET_S
        self._spoke = False
        self._live: Progress | None = None

    def look(self, member: Member, *, at_last: bool = False) -> None:
        now = self._now_s()
        if now < self._next_look and not at_last:
            return
        self._next_look = now + _LOOK_EVERY_S
        with suppress(Away):  # next time
            self._read(member)
        if now < self._next_line or at_last:
            return
        self._spoke = True
        said = in_words(self._tally, now - self._started)
        if not self._console.is_terminal:
            self._next_line = now + _SAY_EVERY_S
            self._console.print(said, soft_wrap=True)
            return
        if self._live is None:
            columns = (BarColumn(bar_width=12), TextColumn("{task.description}", markup=False))
            self._live = Progress(*columns, console=self._console, transient=True)
            self._live.add_task("", total=None)
            self._live.start()
        task, total = self._live.task_ids[0], self._tally.expected_s or None
        self._live.update(task, description=said, total=total, completed=self._tally.done_s, refresh=True)

    def _read(self, member: Member) -> None:
        while True:
            received = member.receive(_BATCH, 0.0)
            for record in received.records:
                with suppress(BadRecord):  # whoever works on it answers for it
                    self._tally.add(self._codec.decode(record.value))
            if not received.records and not received.assigned:
                return

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()

    def sum_up(self) -> None:
        """The whole in a line, where there was any progress to be seen."""
        if self._spoke:
            seconds, done_s = self._now_s() - self._started, self._tally.done_s
            said = f"{clock(done_s)} of audio in {clock(seconds)}, {speed(done_s, seconds)}"
            self._console.print(said, soft_wrap=True)

"""Progress for people, on standard error: standard output is for what `eval` reads."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


class Stopwatch:
    """Seconds since it was made, and since it last spoke."""

    def __init__(self) -> None:
        self._start = self._spoke = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def remind(self, text: str, every_s: float) -> None:
        """Says the text and the time that has passed, unless that was said a moment ago."""
        if time.monotonic() - self._spoke >= every_s:
            self._spoke = time.monotonic()
            say(f"{text} ... {self.seconds:.0f} s")


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a log; empty when there is none."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400 * count))
        return file.read().decode(errors="replace").splitlines()[-count:]


def indented(lines: Iterable[str]) -> str:
    """Lines of someone else's output, told apart from our own."""
    return "\n".join(f"    {line}" for line in lines)

"""One child that decodes, watched: how a file ended, how long it took, and the child's largest memory meanwhile."""

import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path

from services.ingest.audio.decode import DecodeLimits, Recording, Undecodable
from services.ingest.audio.decoder_process import DecoderPool
from tests.hostile.bases import base
from tests.hostile.corpus import SOUND


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a file.

    `cpu_seconds` and `megabytes` (its peak) are the child's, 0 when it did not live to tell.
    """

    answer: Recording | Undecodable
    seconds: float
    cpu_seconds: float
    megabytes: int

    @property
    def ended(self) -> str:
        """The error's code, or `sound` and its warnings."""
        if isinstance(self.answer, Undecodable):
            return self.answer.reason
        return f"{SOUND}: {', '.join(self.answer.warnings)}".removesuffix(": ")


class Bench:
    """Decodes one file at a time."""

    def __init__(self, limits: DecodeLimits) -> None:
        others = set(multiprocessing.active_children())
        self._pool = DecoderPool(workers=1, limits=limits)
        self._others = others

    def answer(self, name: str, data: bytes) -> Recording | Undecodable:
        """What comes of a file."""
        with self._pool.folder() as folder:
            file = folder / "file"
            file.write_bytes(data)
            return self._pool.decode_many([(name, file)])[0]

    def decode(self, name: str, data: bytes) -> Seen:
        """Decodes a file in a child that is warm."""
        self.answer("warm-up.wav", base("ulaw"))
        child = self._child()
        (child / "clear_refs").write_text("5")  # proc(5): resets the peak
        start, used = time.perf_counter(), _cpu_s(child)
        answer = self.answer(name, data)
        return Seen(answer, time.perf_counter() - start, max(0.0, _cpu_s(child) - used), _peak_mb(child))

    def close(self) -> None:
        """Ends the child."""
        self._pool.close()

    def _child(self) -> Path:
        (child,) = set(multiprocessing.active_children()) - self._others
        return Path(f"/proc/{child.pid}")


def _cpu_s(process: Path) -> float:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # proc(5): utime and stime


def _peak_mb(process: Path) -> int:
    try:
        status = (process / "status").read_text()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)

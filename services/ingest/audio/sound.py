"""What a reader gives of a file: its facts, and its sound block by block. The readers are `sndfile` and `pyav`."""

import mmap
import os
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Samples in [-1, 1], [frames, channels].
Block = npt.NDArray[np.float32]


#: What has been read is given back to the system in pieces of this size, but for the header, which may be repaired.
_GIVEN_BACK_BYTES, _HEADER_BYTES = 16 << 20, 1 << 20


class MemoryFile:
    """A privately mapped file to read from, of which a few megabytes are in memory at a time.

    A mapping reads too, but keeps what it has read, and refuses to be set beyond its end, as broken files ask.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._at = 0
        self._kept_from = _HEADER_BYTES

    def read(self, count: int) -> bytes:
        """At most that many bytes."""
        piece = self._memory[self._at : self._at + count]
        self._at += len(piece)
        if self._at - self._kept_from >= _GIVEN_BACK_BYTES:
            # Should it be read again, it comes from the file again.
            self._memory.madvise(mmap.MADV_DONTNEED, self._kept_from, _GIVEN_BACK_BYTES)
            self._kept_from += _GIVEN_BACK_BYTES
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Sets the position, which may be beyond the end; the new one."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._memory)}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at


class Unreadable(Exception):
    """A file that its reader cannot open. `reason` is a code, `why` continues a sentence that begins with the file."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason
        self.why = why


class Damaged(Exception):
    """The sound breaks off: what was given before is good."""


@dataclass(frozen=True, slots=True)
class Sound:
    """An open file.

    `blocks` may raise `Damaged`; `declared_frames` is what the header promises, 0 when it does not say; `codec` is such
    as `ULAW`.
    """

    rate_hz: int
    channels: int
    codec: str
    declared_frames: int
    blocks: Generator[Block, None, None]

"""Decoding behind a wall: every file in a child process that may fail without taking anything along.

A recording comes from outside, and a decoder is C code. So `DecoderPool` keeps a few warm children that have bounded
memory, write no file longer than the longest recording, and get a bounded share of CPU and of wall time for each file.
A child that dies answers for its file alone; pebble puts another in its place. The children are spawned, which is safe
beside threads: the program's `__main__` must be guarded as usual.

Samples come back from the child through private files in the system's temporary folder that are deleted at once when
they have been mapped into memory: neither side ever holds a long call twice, and the system can take the pages back. A
call of four hours takes 230 MB of that folder for each channel at 8 kHz, and its own size when it was fetched into it.
"""

import contextlib
import errno
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ringtrue.errors import Away
from services.ingest.audio.decode import (
    DEFAULT_LIMITS,
    MAX_CHANNELS,
    SEGMENT_RATES_HZ,
    DecodeLimits,
    Facts,
    Recording,
    Undecodable,
    decode_into,
)
from services.ingest.audio.resample import Samples

_Answer = Recording | Undecodable
#: How often whoever waits for a child looks whether the pool is still there.
_LOOK_S = 1.0
#: Errors of the temporary folder, which say nothing against a file.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE})


class DecoderPool:
    """Decodes files in child processes. Not for use from several threads at once; close it, or use it with `with`."""

    def __init__(self, workers: int = 2, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        self._workers = workers
        self._limits = limits
        self._folder = Path(tempfile.mkdtemp(prefix="ringtrue-decode-"))
        self._pool = self._new_pool()

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A private folder for files that shall be decoded; it is deleted afterwards.

        Raises:
            Away: It has no room.
        """
        with self._no_room():
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)  # a child may still write into it

    def decode_many(self, files: Sequence[tuple[str, Path]]) -> list[_Answer]:
        """One answer for each name and file, in their order. A file's own fault is its answer, never an exception.

        Raises:
            Away: No child process can be kept alive, or the temporary folder has no room.
        """
        answers = self._attempt(files)
        return [answer or self._second_answer(name, file) for answer, (name, file) in zip(answers, files, strict=True)]

    def close(self) -> None:
        """Ends the children and waits for them."""
        self._end_children()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._workers,
            initializer=_enter_child,
            initargs=(self._limits,),
            context=multiprocessing.get_context("spawn"),
        )

    def _end_children(self) -> None:
        self._pool.stop()
        self._pool.join()

    def _attempt(self, files: Sequence[tuple[str, Path]]) -> list[_Answer | None]:
        if not self._pool.active:  # a child that died idle breaks the whole pool
            self._end_children()
            self._pool = self._new_pool()
        with self.folder() as folder:
            futures = [
                self._pool.schedule(
                    _decode_in_child,
                    args=(file, folder / str(number), name, self._limits),
                    timeout=self._limits.wall_seconds,
                )
                for number, (name, file) in enumerate(files)
            ]
            try:
                return [
                    self._answer(future, folder / str(number), name)
                    for number, (future, (name, _)) in enumerate(zip(futures, files, strict=True))
                ]
            finally:
                for future in futures:  # those still at work, where one has found no room
                    future.cancel()

    @contextlib.contextmanager
    def _no_room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Away(f"the temporary folder {self._folder} cannot be used for decoding: {error.strerror}") from error

    def _second_answer(self, name: str, file: Path) -> _Answer:
        """A child that was killed from outside (for want of memory) said nothing against its file: once more."""
        answer = self._attempt([(name, file)])[0]
        if answer is None and not self._pool.active:
            raise Away("the processes that decode recordings do not stay alive")
        return answer or self._lost(name, "was killed twice")

    def _answer(self, future: "ProcessFuture[Facts | Undecodable]", channels: Path, name: str) -> _Answer | None:
        try:
            facts = self._result(future)
            if isinstance(facts, Undecodable):
                return facts
            return facts.recording([_mapped(_channel(channels, number)) for number in range(facts.used_channels)])
        except TimeoutError:
            return Undecodable(
                "too_slow", f"{name}: decoding took more than {self._limits.wall_seconds:g} s and was stopped. {_LOOK}"
            )
        except BrokenProcessPool:
            return None
        except ProcessExpired as death:
            if death.exitcode == -signal.SIGKILL:
                return None
            if death.exitcode == -signal.SIGXCPU:
                return Undecodable(
                    "too_slow", f"{name}: decoding took more than {self._limits.cpu_seconds} s of CPU. {_LOOK}"
                )
            return self._lost(name, f"died (exit code {death.exitcode})")
        except Exception as error:  # a fault of ours, which must not come back with the file again and again
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise
            return self._lost(name, f"failed ({error!r})")
        finally:
            for number in range(MAX_CHANNELS):  # the others' are still to come
                _channel(channels, number).unlink(missing_ok=True)

    def _result(self, future: "ProcessFuture[Facts | Undecodable]") -> Facts | Undecodable:
        """Waits for an answer. A task that was handed over just when the pool broke would never have one.

        Raises:
            BrokenProcessPool: It is such a task.
        """
        while not wait([future], _LOOK_S).done:
            if not self._pool.active and not wait([future], _LOOK_S).done:
                raise BrokenProcessPool("the pool broke when the task was handed over")
        return future.result()

    def _lost(self, name: str, what: str) -> Undecodable:
        return Undecodable("decoder_died", f"{name}: the decoder {what} on this file. {_LOOK}")


_LOOK = "It may be damaged or made to do harm: fetch or export it again."


def _channel(channels: Path, number: int) -> Path:
    """The file of a channel's samples."""
    return channels.with_name(f"{channels.name}-{number}")


def _mapped(file: Path) -> Samples:
    """The samples of a channel; they stay when the file is deleted. Read-only."""
    return np.asarray(np.memmap(file, np.int16, mode="r"))


def _enter_child(limits: DecodeLimits) -> None:
    # The interpreter and its libraries take address space by the number of cores; the limit is for what comes on top.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + limits.memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    longest = int((limits.max_seconds + 1) * SEGMENT_RATES_HZ[-1]) * np.dtype(np.int16).itemsize
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # pebble's own handler would wait for the C code to return.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # mpg123 prints its complaints; what matters of them comes back as an answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _decode_in_child(file: Path, channels: Path, name: str, limits: DecodeLimits) -> Facts | Undecodable:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit_cpu(int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_seconds)
    try:
        return _decode_files(file, channels, name, limits)
    except Undecodable as reason:
        return reason
    except (MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:
            raise
        return Undecodable(
            "too_large",
            f"{name}: decoding it needs more than {limits.memory_mb} MB. Split it, or raise the limit"
            " (RINGTRUE_INGEST__DECODE_MEMORY_MB).",
        )
    finally:
        # A child that died while it sends its answer would leave the pipe locked for the others.
        _limit_cpu(resource.RLIM_INFINITY)


def _decode_files(file: Path, channels: Path, name: str, limits: DecodeLimits) -> Facts:
    with contextlib.ExitStack() as opened:
        read = opened.enter_context(file.open("rb"))
        written = [opened.enter_context(_channel(channels, number).open("wb")) for number in range(MAX_CHANNELS)]
        return decode_into([channel.write for channel in written], read, name, limits)


def _limit_cpu(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))

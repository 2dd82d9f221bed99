"""Decoding behind a wall: every file in a child process that may fail without taking anything along.

A recording comes from outside, and a decoder is C code. So `DecoderPool` keeps a few warm children that can write no
file, have bounded memory, and get a bounded share of CPU and of wall time for each file. A child that dies answers for
its file alone; pebble puts another in its place. The children are spawned, which is safe beside threads: the program's
`__main__` must be guarded as usual.
"""

import multiprocessing
import os
import resource
import signal
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Self

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ringtrue.errors import Away
from services.ingest.audio.decode import DEFAULT_LIMITS, DecodeLimits, Recording, Undecodable, decode

_Answer = Recording | Undecodable


class DecoderPool:
    """Decodes files in child processes. Not for use from several threads at once; close it, or use it with `with`."""

    def __init__(self, workers: int = 2, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        self._workers = workers
        self._limits = limits
        self._pool = self._new_pool()

    def decode_many(self, files: Sequence[tuple[str, bytes]]) -> list[_Answer]:
        """One answer for each (name, bytes), in their order. A file's own fault is its answer, never an exception.

        Raises:
            Away: No child process can be kept alive.
        """
        answers = self._attempt(files)
        return [answer or self._second_answer(name, data) for answer, (name, data) in zip(answers, files, strict=True)]

    def close(self) -> None:
        """Ends the children and waits for them."""
        self._pool.stop()
        self._pool.join()

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

    def _attempt(self, files: Sequence[tuple[str, bytes]]) -> list[_Answer | None]:
        if not self._pool.active:  # a child that died idle breaks the whole pool
            self.close()
            self._pool = self._new_pool()
        futures = [
            self._pool.schedule(_decode_in_child, args=(data, name, self._limits), timeout=self._limits.wall_seconds)
            for name, data in files
        ]
        return [self._answer(future, name) for future, (name, _) in zip(futures, files, strict=True)]

    def _second_answer(self, name: str, data: bytes) -> _Answer:
        """A child that was killed from outside (for want of memory) said nothing against its file: once more."""
        answer = self._attempt([(name, data)])[0]
        if answer is None and not self._pool.active:
            raise Away("the processes that decode recordings do not stay alive")
        return answer or self._lost(name, "was killed twice")

    def _answer(self, future: "ProcessFuture[_Answer]", name: str) -> _Answer | None:
        try:
            return future.result()
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

    def _lost(self, name: str, what: str) -> Undecodable:
        return Undecodable("decoder_died", f"{name}: the decoder {what} on this file. {_LOOK}")


_LOOK = "It may be damaged or made to do harm: fetch or export it again."


def _enter_child(limits: DecodeLimits) -> None:
    # The interpreter and its libraries take address space by the number of cores; the limit is for what comes on top.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + limits.memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # pebble's own handler would wait for the C code to return.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # mpg123 prints its complaints; what matters of them comes back as an answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _decode_in_child(data: bytes, name: str, limits: DecodeLimits) -> _Answer:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit_cpu(int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_seconds)
    try:
        return decode(data, name, limits)
    except Undecodable as reason:
        return reason
    except MemoryError:
        return Undecodable(
            "too_large", f"{name}: decoding it needs more than {limits.memory_mb} MB. Split it, or raise the limit."
        )
    finally:
        # A child that died while it sends its answer would leave the pipe locked for the others.
        _limit_cpu(resource.RLIM_INFINITY)


def _limit_cpu(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))

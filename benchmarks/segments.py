"""The segment path, `segments.audio` to `segments.transcribed`, beside a queue of `multiprocessing`.

Ringtrue: the real asr service with the stub engine. It decodes FLAC, and answers in transactions. The queue is what a
script on one machine does: the same segments as float32 arrays from one process to another, through a manager; nothing
is kept, nothing is answered, the stub engine transcribes there too.
"""

import contextlib
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Queue
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.table import Table
from scipy.signal import resample_poly

from benchmarks.logs import LOGS, LogName, fresh, opened
from benchmarks.tables import say, table
from benchmarks.throughput import drain, free_port, scrape
from examples import synth
from ringtrue.messages import SegmentAudio
from ringtrue.resources import resource
from ringtrue.settings import Settings
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import SEGMENTS_AUDIO, TOPICS
from services.asr.engine import Segment
from services.asr.stub import StubEngine
from services.ingest.audio.segments import encode_flac

_SECONDS = 25
#: Segments in one append of the producer.
_CHUNK = 16
_LIMIT_S = 600.0

Producer = Literal["before", "side by side", "side by side, encoding"]
PRODUCERS: tuple[Producer, ...] = ("before", "side by side", "side by side, encoding")


@dataclass(frozen=True, slots=True)
class Handed:
    """How fast segments went through.

    Attributes:
        per_second: Segments per second.
        kilobytes: Size of one as it was handed over.
    """

    per_second: float
    kilobytes: float


def segments_table(folder: Path, count: int, rates_hz: Sequence[int], caption: str) -> Table:
    """Every way of handing over, at every sampling rate."""
    against = [f"x queue {rate_hz / 1000:g} kHz" for rate_hz in rates_hz]
    made = table(
        f"{count} segments of {_SECONDS} s through asr, engine stubbed; x: times the queue with that producer",
        caption,
        ["way", "producer"],
        ["rate Hz", "kB/segment", "segments/s", "audio s/s", *against],
    )
    queues = dict[tuple[str, int], float]()
    for rate_hz in rates_hz:
        for producer in PRODUCERS[:2]:
            say(f"queue of multiprocessing: {rate_hz} Hz, producer {producer} ...")
            queues[producer, rate_hz] = _queue(count, rate_hz, ready=producer == "before")
            handed = Handed(queues[producer, rate_hz], _SECONDS * rate_hz * 4 / 1000)
            made.add_row("queue", producer, *_cells(rate_hz, handed))
    for log in LOGS:
        for rate_hz in rates_hz:
            for producer in PRODUCERS:
                say(f"{log}: {rate_hz} Hz, producer {producer} ...")
                handed = _log(log, folder, count, rate_hz, producer)
                same = "before" if producer == "before" else "side by side"
                times = [f"{handed.per_second / queues[same, other]:.1f}" for other in rates_hz]
                made.add_row(log, producer, *_cells(rate_hz, handed), *times)
    return made


def _cells(rate_hz: int, handed: Handed) -> list[str]:
    per_second = handed.per_second
    return [f"{rate_hz:,}", f"{handed.kilobytes:,.0f}", f"{per_second:,.0f}", f"{per_second * _SECONDS:,.0f}"]


def _log(log: LogName, folder: Path, count: int, rate_hz: int, producer: Producer) -> Handed:
    sounds = _sounds(rate_hz)
    kilobytes = sum(len(encode_flac(sound, rate_hz)) for sound in sounds) / len(sounds) / 1000
    with fresh(log, folder) as settings:
        port = opened(settings)
        port.create_topics(TOPICS)
        port.close()
        if producer == "before":
            produce(settings, count, rate_hz, encoding=False)
            done = drain(settings, "asr", "asr")
            return Handed(done.timed / done.seconds, kilobytes)
        return Handed(_side_by_side(settings, count, rate_hz, encoding=producer != "side by side"), kilobytes)


def _side_by_side(settings: Settings, count: int, rate_hz: int, *, encoding: bool) -> float:
    """Segments per second, from the producer's start to asr's last commit."""
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    port = free_port()
    asr = subprocess.Popen(
        [sys.executable, "-m", "ringtrue", "service", "asr"],
        env=settings.model_copy(update={"metrics_port": port}).environment(),
        stderr=subprocess.DEVNULL,
    )
    writer = context.Process(
        target=produce, args=(settings, count, rate_hz), kwargs={"encoding": encoding, "ready": ready, "go": go}
    )
    writer.start()
    try:
        # One segment goes ahead: when it is answered, asr has its partitions.
        produce(settings, 1, rate_hz, encoding=False)
        deadline = time.monotonic() + _LIMIT_S
        while scrape(port, "asr", asr.pid).records < 1:
            _wait(deadline, asr)
        ready.wait(_LIMIT_S)
        started = time.time()
        go.set()
        while (found := scrape(port, "asr", asr.pid)).records < count + 1:
            _wait(deadline, asr)
        return count / (found.committed_at - started)
    finally:
        writer.join()
        asr.terminate()
        asr.wait()


def _wait(deadline: float, process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None or time.monotonic() > deadline:
        sys.exit(f"asr ended with {process.poll()}, or is too slow")
    time.sleep(0.2)


def produce(
    settings: Settings, count: int, rate_hz: int, *, encoding: bool, ready: Event | None = None, go: Event | None = None
) -> None:
    """Writes segments to `segments.audio`.

    Args:
        settings: Name the log.
        count: How many.
        rate_hz: Their sampling rate.
        encoding: Encode each one to FLAC on the way; otherwise they are encoded before.
        ready: Is set when everything is prepared.
        go: What to wait for then.
    """
    codec = Codec()
    sounds = _sounds(rate_hz)
    encoded = [encode_flac(sound, rate_hz) for sound in sounds]
    log = opened(settings)
    log.append([])
    if ready is not None and go is not None:
        ready.set()
        go.wait()
    chunk = list[Outgoing]()
    for number in range(count):
        kind = number % len(sounds)
        flac = encode_flac(sounds[kind], rate_hz) if encoding else encoded[kind]
        call_id = f"bench/call-{number}"
        part = SegmentAudio(
            call_id=call_id,
            run=1,
            index=0,
            total=1,
            channel=0,
            start_ms=0,
            end_ms=_SECONDS * 1000,
            overlap_ms=0,
            rate_hz=rate_hz,
            flac=flac,
            event_time_ms=0,
        )
        headers = {"call_id": call_id.encode(), "run": b"1", "index": b"0", "total": b"1"}
        chunk.append(Outgoing(SEGMENTS_AUDIO.name, call_id.encode(), codec.encode(part), headers))
        if len(chunk) == _CHUNK or number == count - 1:
            log.append(chunk)
            chunk = []
    log.close()


def _queue(count: int, rate_hz: int, *, ready: bool) -> float:
    """Segments per second through a manager's queue."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        queue: Queue[Any] = manager.Queue()
        started, ended = context.Value("d", 0.0), context.Value("d", 0.0)
        filled, taking = context.Event(), context.Event()
        writer = context.Process(target=_put, args=(queue, count, rate_hz, started, filled, None if ready else taking))
        reader = context.Process(target=_take, args=(queue, count, started if ready else None, ended, taking, filled))
        writer.start()
        if ready:
            writer.join()
        reader.start()
        writer.join()
        reader.join()
        return count / float(ended.value - started.value)


def _put(queue: "Queue[Any]", count: int, rate_hz: int, started: Any, filled: Event, taking: Event | None) -> None:
    sounds = [(sound / 32768).astype(np.float32) for sound in _sounds(rate_hz)]
    if taking is not None:
        taking.wait()
        started.value = time.time()
    for number in range(count):
        queue.put(sounds[number % len(sounds)])
    filled.set()


def _take(queue: "Queue[Any]", count: int, started: Any, ended: Any, taking: Event, filled: Event) -> None:
    engine = StubEngine()
    taking.set()
    if started is not None:
        filled.wait()
        started.value = time.time()
    for _ in range(count):
        engine.transcribe([Segment(queue.get(), 8000)])
    ended.value = time.time()


def _sounds(rate_hz: int) -> list[NDArray[np.int16]]:
    """Pieces of the shipped sample calls, with the noise of a line over the whole band."""
    calls = list[NDArray[np.float64]]()
    for path in sorted(resource("examples/bucket/calls").rglob("ivr-*.[wof]*")):
        with contextlib.suppress(soundfile.LibsndfileError):  # one of the samples is damaged on purpose
            sound, found_hz = soundfile.read(path, always_2d=True)
            calls.append(resample_poly(sound[:, 0], rate_hz, found_hz))
    whole = np.concatenate(calls)
    length = _SECONDS * rate_hz
    pieces = [whole[start : start + length] for start in range(0, len(whole) - length + 1, length)]
    noise = synth.noise(_SECONDS * 1000, -62.0, 1, rate_hz=rate_hz)
    return [((piece + noise).clip(-1, 1) * 32767).astype(np.int16) for piece in pieces]

"""From the bytes of an object to samples, or to a sentence that says why not.

`decode` decides the container by its magic bytes (`containers`), has it read from memory block by block (`sndfile`, and
`pyav` for what libsndfile does not read), stops at the bounds whatever the header claims, and gives 16-bit samples at 8
or 16 kHz, one array per channel. It trusts no length in a header: those only tell whether more was promised than came.
Untrusted files are decoded in a child process: see `decoder_process`.
"""

import contextlib
import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np

from ringtrue.errors import BadRecord
from ringtrue.settings import IngestSettings
from services.ingest.audio import containers, pyav, sndfile
from services.ingest.audio.resample import Resampler, Samples
from services.ingest.audio.sound import Block, Damaged, Sound, Unreadable
from services.ingest.objects import RAW_SUFFIXES

#: The rates at which audio goes on; every other rate becomes the last of them.
SEGMENT_RATES_HZ = (8_000, 16_000)
MAX_CHANNELS = 2

#: What a warning code means, for people.
WARNINGS = {
    "truncated": "the file ends before its header says; what is there was decoded",
    "damaged": "the file is damaged inside; what comes before the damage was decoded",
    "size_unset": "the recorder did not close the file; all that is there was decoded",
    "extra_channels": "more than two channels; the first two were used",
    "not_finite": "samples that are no numbers were taken as silence",
}

#: Of samples that are no numbers a glitch may have a few; with more, what is left is not the recording.
_MOST_NOT_FINITE = 0.05

#: With less than this before it breaks off a file is no recording: text behind AMR's magic bytes makes 20 ms of sound,
#: and AAC begins with 128 ms of nothing.
_LEAST_OF_BROKEN_S = 0.25

#: No codec for speech goes below this (Codec 2 at 700 bit/s takes 88); only digital silence takes less, in FLAC.
_LEAST_BYTES_PER_S = 80

#: Takes the next samples of a channel, as bytes.
Sink = Callable[[bytes], object]


class Undecodable(BadRecord):
    """A file that gives no audio. `reason` is a stable code, `message` names the file and says what to do."""

    # Exceptions travel between processes by their arguments, which BadRecord does not keep.
    def __reduce__(self) -> tuple[type["Undecodable"], tuple[str, str]]:
        return type(self), (self.reason, self.message)


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one file may be, and what it may cost.

    Seconds of sound, rates and channels bound every decoding; CPU time, wall time and memory (address space beside the
    interpreter's) bound that in a child process. `raw_encoding` is what files without a header hold (`RAW_SUFFIXES`),
    empty when there are none.
    """

    max_seconds: float = 4 * 3600.0
    min_rate_hz: int = 4_000
    max_rate_hz: int = 192_000
    max_channels: int = 8
    cpu_seconds: int = 120
    wall_seconds: float = 240.0
    memory_mb: int = 1_024
    raw_encoding: Literal["", "alaw", "mulaw"] = ""

    @classmethod
    def of(cls, settings: IngestSettings) -> "DecodeLimits":
        """The limits that are set."""
        return cls(
            max_seconds=settings.max_hours * 3600,
            cpu_seconds=settings.decode_cpu_s,
            wall_seconds=settings.decode_wall_s,
            memory_mb=settings.decode_memory_mb,
            raw_encoding=settings.raw_encoding,
        )


DEFAULT_LIMITS = DecodeLimits()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a decoded file beside its samples; see `Recording`."""

    used_channels: int
    rate_hz: int
    source_rate_hz: int
    source_channels: int
    codec: str
    warnings: tuple[str, ...]

    def recording(self, channels: Sequence[Samples]) -> "Recording":
        """The recording, with its samples."""
        return Recording(
            tuple(channels), self.rate_hz, self.source_rate_hz, self.source_channels, self.codec, self.warnings
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """Decoded audio: one int16 array per channel (at most two) at `rate_hz`, which is 8,000 or 16,000.

    `source_rate_hz`, `source_channels` and `codec` (such as `WAV/ULAW`) describe the file; `warnings` are keys of
    `WARNINGS`.
    """

    channels: tuple[Samples, ...]
    rate_hz: int
    source_rate_hz: int
    source_channels: int
    codec: str
    warnings: tuple[str, ...] = ()

    @property
    def duration_ms(self) -> int:
        """Length in milliseconds."""
        return len(self.channels[0]) * 1000 // self.rate_hz


def decode(data: bytes, name: str, limits: DecodeLimits = DEFAULT_LIMITS) -> Recording:
    """Decodes one file held in memory. `name` appears in messages, and its suffix tells a headerless file.

    Raises:
        Undecodable: There is no usable audio in it; never returns a recording without samples.
    """
    # A bytearray grows in place, where joining a list of blocks would need twice the memory.
    buffers = [bytearray() for _ in range(MAX_CHANNELS)]
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        facts = decode_into([buffer.extend for buffer in buffers], file, name, limits)
    return facts.recording([np.frombuffer(buffer, np.int16) for buffer in buffers[: facts.used_channels]])


def decode_into(sinks: Sequence[Sink], file: BinaryIO, name: str, limits: DecodeLimits) -> Facts:
    """Decodes one file, piece by piece into a sink for each channel.

    Args:
        sinks: `MAX_CHANNELS` of them; a mono file uses the first.
        file: A file on disk, open for reading. It stays as it is.
        name: See `decode`.
        limits: What it may cost.

    Raises:
        Undecodable: There is no usable audio in it, whatever the sinks have got.
    """
    if not os.fstat(file.fileno()).st_size:
        raise Undecodable("empty", f"{name}: the file is empty (0 bytes). Upload it again.")
    # Private: what is repaired in a header stays in this process.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as memory:
        return _decode(sinks, memory, name, limits)


def _decode(sinks: Sequence[Sink], memory: mmap.mmap, name: str, limits: DecodeLimits) -> Facts:
    warnings: list[str] = []
    container = _container(memory, name, limits)
    promised_more = containers.ends_early(memory, container)
    if container in ("wav", "rf64"):
        promised_more = _checked_wave(memory, name, limits, warnings)
    elif container == "au" and containers.set_au_size(memory):
        warnings.append("size_unset")
    try:
        if pyav.reads(memory, container):
            sound = pyav.open_sound(memory, container)
        else:
            sound = sndfile.open_sound(memory, container, limits.raw_encoding)
    except Unreadable as problem:
        if promised_more:
            raise _cut_off(name) from problem
        raise Undecodable(problem.reason, f"{name}: {problem.why}. {_ASK}") from problem
    _check_form(sound.rate_hz, sound.channels, name, limits)
    if _says_too_long(sound, len(memory), limits):
        raise _too_long(name, limits)
    rate_hz, frames = _read(sound, sinks, name, limits, warnings)
    promised_more = promised_more or frames < sound.declared_frames
    if (promised_more or "damaged" in warnings) and frames < _LEAST_OF_BROKEN_S * sound.rate_hz:
        raise _cut_off(name) if promised_more else _damaged(name)
    if not frames:
        raise Undecodable("no_samples", f"{name}: the {container} file holds no audio at all. {_ASK}")
    if promised_more:
        warnings = [*(warning for warning in warnings if warning != "damaged"), "truncated"]
    if sound.channels > MAX_CHANNELS:
        warnings.append("extra_channels")
    return Facts(
        min(sound.channels, MAX_CHANNELS),
        rate_hz,
        sound.rate_hz,
        sound.channels,
        f"{container.upper()}/{sound.codec}",
        tuple(dict.fromkeys(warnings)),
    )


_ASK = "Fetch or export the recording again."


def _cut_off(name: str) -> Undecodable:
    return Undecodable("truncated", f"{name}: it is cut off before its first sound. {_ASK}")


def _damaged(name: str) -> Undecodable:
    return Undecodable("damaged", f"{name}: it is damaged before its first sound. {_ASK}")


def _says_too_long(sound: Sound, size: int, limits: DecodeLimits) -> bool:
    """Whether a file says that it is too long and has the bytes for it: then nothing need be decoded to know."""
    seconds = sound.declared_frames / sound.rate_hz
    return seconds > limits.max_seconds and size >= _LEAST_BYTES_PER_S * seconds


def _too_long(name: str, limits: DecodeLimits) -> Undecodable:
    return Undecodable(
        "too_long",
        f"{name}: it plays for more than {limits.max_seconds / 3600:g} hours. Split it, or raise the limit"
        " (RINGTRUE_INGEST__MAX_HOURS).",
    )


def _container(data: mmap.mmap, name: str, limits: DecodeLimits) -> str:
    container = containers.container_of(data)
    if container is not None:
        return container
    foreign = containers.foreign_format(data)
    # Silence in A-law looks like text.
    if limits.raw_encoding and name.lower().endswith(RAW_SUFFIXES) and foreign in (None, "a text file"):
        return "raw"
    what = f"it is {foreign}, not a recording that can be read" if foreign else "it is in no known audio format"
    code = "text" if foreign == "a text file" else "foreign_format" if foreign else "unknown_format"
    message = f"{name}: {what}. Understood are {containers.UNDERSTOOD}."
    if foreign is None and name.lower().endswith(RAW_SUFFIXES):
        message += " If it is bare A-law or mu-law, say so with RINGTRUE_INGEST__RAW_ENCODING."
    raise Undecodable(code, message)


def _checked_wave(memory: mmap.mmap, name: str, limits: DecodeLimits, warnings: list[str]) -> bool:
    """Checks and repairs the header; whether it promised more than is there."""
    header = containers.wave_header(memory)
    if header is None:
        return True
    _check_form(header.rate_hz, header.channels, name, limits)
    if containers.set_data_size(memory, header):
        warnings.append("size_unset")
    return header.data_declared > header.data_present


def _check_form(rate_hz: int, channels: int, name: str, limits: DecodeLimits) -> None:
    if not limits.min_rate_hz <= rate_hz <= limits.max_rate_hz:
        raise Undecodable(
            "implausible_rate",
            f"{name}: its header says {rate_hz:,} samples per second; from {limits.min_rate_hz:,} to"
            f" {limits.max_rate_hz:,} are possible. {_ASK}",
        )
    if not 1 <= channels <= limits.max_channels:
        raise Undecodable(
            "implausible_channels",
            f"{name}: its header says {channels:,} channels; from 1 to {limits.max_channels} are possible. {_ASK}",
        )


def _read(sound: Sound, sinks: Sequence[Sink], name: str, limits: DecodeLimits, warnings: list[str]) -> tuple[int, int]:
    """Fills the sinks; the rate of what went there, and how many frames the file really gave."""
    rate_hz = sound.rate_hz if sound.rate_hz in SEGMENT_RATES_HZ else SEGMENT_RATES_HZ[-1]
    used = sinks[: sound.channels]
    resamplers = [Resampler(sound.rate_hz, rate_hz) for _ in used] if rate_hz != sound.rate_hz else []
    frames = not_finite = 0
    try:
        with contextlib.closing(sound.blocks) as blocks:
            for block in blocks:
                frames += len(block)
                if frames > limits.max_seconds * sound.rate_hz:
                    raise _too_long(name, limits)
                heard = block[:, : len(used)]
                not_finite += heard.size - int(np.count_nonzero(np.isfinite(heard)))
                for channel, sink in enumerate(used):
                    samples = _to_int16(heard[:, channel])
                    sink((resamplers[channel].push(samples) if resamplers else samples).tobytes())
    except Damaged:
        warnings.append("damaged")
    for sink, resampler in zip(used, resamplers, strict=False):
        sink(resampler.finish().tobytes())
    if not_finite > _MOST_NOT_FINITE * frames * len(used):
        raise Undecodable(
            "not_finite", f"{name}: {not_finite:,} of its samples are no numbers, so its sound is lost. {_ASK}"
        )
    if not_finite:
        warnings.append("not_finite")
    return rate_hz, frames


def _to_int16(samples: Block) -> Samples:
    finite = np.clip(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
    return np.asarray(np.minimum(np.rint(finite * 32768.0), 32767), np.int16)

"""From the bytes of an object to samples, or to a sentence that says why not.

`decode` decides the container by its magic bytes (`containers`), lets libsndfile read it from memory block by block,
stops at the bounds whatever the header claims, and gives 16-bit samples at 8 or 16 kHz, one array per channel. It
trusts no length in a header: those only tell whether more was promised than came. Untrusted files are decoded in a
child process: see `decoder_process`.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile

from ringtrue.errors import BadRecord
from services.ingest.audio import containers
from services.ingest.audio.resample import Resampler, Samples

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

# Frames per read. libsndfile gives nothing of the block in which a FLAC file breaks off, so blocks are short.
_BLOCK_FRAMES = 4_096
#: From here on an MP3 frame holds 1,152 samples, below it 576.
_LOWEST_MPEG1_HZ = 32_000
_LIBSNDFILE_FORMATS = {
    "wav": ("WAV", "WAVEX"),
    "rf64": ("RF64",),
    "flac": ("FLAC",),
    "ogg": ("OGG",),
    "mp3": ("MP3",),
}


class Undecodable(BadRecord):
    """A file that gives no audio. `reason` is a stable code, `message` names the file and says what to do."""

    # Exceptions travel between processes by their arguments, which BadRecord does not keep.
    def __reduce__(self) -> tuple[type["Undecodable"], tuple[str, str]]:
        return type(self), (self.reason, self.message)


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one file may cost. Seconds of sound and rates bound every decoding, the rest that in a child process."""

    max_seconds: float = 4 * 3600.0
    min_rate_hz: int = 4_000
    max_rate_hz: int = 192_000
    cpu_seconds: int = 60
    wall_seconds: float = 240.0
    memory_mb: int = 2_560


DEFAULT_LIMITS = DecodeLimits()


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


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # soundfile comes without types
    """A file that is read on and on. soundfile seeks after each read of a seekable file, which breaks MP3's sound."""

    def seekable(self) -> bool:
        return False


def decode(data: bytes, name: str, limits: DecodeLimits = DEFAULT_LIMITS) -> Recording:
    """Decodes one file held in memory. `name` only appears in messages.

    Raises:
        Undecodable: There is no usable audio in it; never returns a recording without samples.
    """
    container = _container(data, name)
    warnings: list[str] = []
    promised_more = False
    if container in ("wav", "rf64"):
        data, promised_more = _checked_wave(data, name, limits, warnings)
    elif container == "ogg":
        promised_more = containers.ogg_ends_early(data)
    readable = containers.without_flac_frames(data) if container == "flac" else data
    try:
        sound = _Stream(io.BytesIO(readable))
    except soundfile.LibsndfileError as error:
        if promised_more:
            raise Undecodable("truncated", f"{name}: it is cut off before its first sound. {_ASK}") from error
        why = "" if container == "mp3" else f" ({error.error_string.strip(' .')})"
        raise Undecodable("bad_header", f"{name}: the {container} file cannot be read{why}. {_ASK}") from error
    with sound:
        if sound.format not in _LIBSNDFILE_FORMATS[container]:
            raise Undecodable("bad_header", f"{name}: it begins like {container} but holds {sound.format}. {_ASK}")
        _check_rate(sound.samplerate, name, limits)
        channels, rate_hz, frames = _read(sound, name, limits, warnings)
        declared = _declared_frames(sound, data, container)
        promised_more = promised_more or frames < declared
        if not frames:
            if promised_more:
                raise Undecodable("truncated", f"{name}: it is cut off before its first sound. {_ASK}")
            raise Undecodable("no_samples", f"{name}: the {container} file holds no audio at all. {_ASK}")
        if promised_more:
            warnings = [*(warning for warning in warnings if warning != "damaged"), "truncated"]
        if sound.channels > MAX_CHANNELS:
            warnings.append("extra_channels")
        return Recording(
            channels,
            rate_hz,
            sound.samplerate,
            sound.channels,
            f"{container.upper()}/{sound.subtype}",
            tuple(dict.fromkeys(warnings)),
        )


_ASK = "Fetch or export the recording again."


def _container(data: bytes, name: str) -> str:
    if not data:
        raise Undecodable("empty", f"{name}: the file is empty (0 bytes). Upload it again.")
    container = containers.container_of(data)
    if container is None:
        foreign = containers.foreign_format(data)
        what = f"it is {foreign}, not a recording that can be read" if foreign else "it is in no known audio format"
        code = "text" if foreign == "a text file" else "foreign_format" if foreign else "unknown_format"
        raise Undecodable(code, f"{name}: {what}. Understood are {containers.UNDERSTOOD}.")
    return container


def _checked_wave(data: bytes, name: str, limits: DecodeLimits, warnings: list[str]) -> tuple[bytes, bool]:
    """The bytes to decode, and whether the header promised more of them."""
    header = containers.wave_header(data)
    if header is None:
        return data, True
    _check_rate(header.rate_hz, name, limits)
    repaired = containers.with_data_size(data, header)
    if repaired is not data:
        warnings.append("size_unset")
    return repaired, header.data_declared > header.data_present


def _check_rate(rate_hz: int, name: str, limits: DecodeLimits) -> None:
    if not limits.min_rate_hz <= rate_hz <= limits.max_rate_hz:
        raise Undecodable(
            "implausible_rate",
            f"{name}: its header says {rate_hz:,} samples per second; from {limits.min_rate_hz:,} to"
            f" {limits.max_rate_hz:,} are possible. {_ASK}",
        )


def _read(
    sound: soundfile.SoundFile, name: str, limits: DecodeLimits, warnings: list[str]
) -> tuple[tuple[Samples, ...], int, int]:
    """The channels, their rate, and how many frames the file really gave."""
    source_hz = sound.samplerate
    rate_hz = source_hz if source_hz in SEGMENT_RATES_HZ else SEGMENT_RATES_HZ[-1]
    count = min(sound.channels, MAX_CHANNELS)
    resamplers = [Resampler(source_hz, rate_hz) for _ in range(count)] if rate_hz != source_hz else []
    # A bytearray grows in place, where joining a list of blocks would need twice the memory.
    buffers = [bytearray() for _ in range(count)]
    frames = 0
    for block in _blocks(sound, warnings):
        frames += len(block)
        if frames > limits.max_seconds * source_hz:
            raise Undecodable(
                "too_long",
                f"{name}: it plays for more than {limits.max_seconds / 3600:g} hours. Split it, or raise the limit"
                " (RINGTRUE_INGEST__MAX_HOURS).",
            )
        for channel in range(count):
            samples = _to_int16(block[:, channel], warnings)
            buffers[channel] += (resamplers[channel].push(samples) if resamplers else samples).tobytes()
    for buffer, resampler in zip(buffers, resamplers, strict=False):
        buffer += resampler.finish().tobytes()
    return tuple(np.frombuffer(buffer, np.int16) for buffer in buffers), rate_hz, frames


def _blocks(sound: soundfile.SoundFile, warnings: list[str]) -> Iterator[npt.NDArray[np.float32]]:
    frames = max(1, _BLOCK_FRAMES // max(1, sound.channels // MAX_CHANNELS))
    while True:
        try:
            block = sound.read(frames=frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            warnings.append("damaged")
            return
        if not len(block):
            return
        yield block


def _to_int16(samples: npt.NDArray[np.float32], warnings: list[str]) -> Samples:
    if not np.isfinite(samples).all():
        warnings.append("not_finite")
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(np.clip(np.rint(samples * 32768.0), -32768, 32767), np.int16)


def _declared_frames(sound: soundfile.SoundFile, data: bytes, container: str) -> int:
    """How many frames the header promises; 0 when it does not say."""
    if container == "flac":
        return containers.flac_frames(data)
    if container == "mp3" and containers.mp3_declares_length(data):
        # Encoders do not agree on whether the codec's own delay belongs to the length: two frames of it are no cut.
        return int(sound.frames) - 2 * (1_152 if sound.samplerate >= _LOWEST_MPEG1_HZ else 576)
    return 0

"""Reading with PyAV (the libraries of ffmpeg) what libsndfile does not: MP3, M4A, AAC, WebM, AMR, WMA, G.722 and G.726.

(libsndfile reads MP3 too, but stops where it expects the end, which it guesses from the first frame when there is no
header that tells: of a file of varying bit rate half was lost.)

ffmpeg reads far more than recordings, and some of it reads on elsewhere: a playlist names other files. So nothing is
left to its guessing: the demuxer is forced, only it and the decoders listed here may open, it gets the file from memory
and has no protocol by which it could open another.
"""

import itertools
import mmap
from collections.abc import Generator, Iterator
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.container import InputContainer

from services.ingest.audio import containers
from services.ingest.audio.sound import Block, Damaged, MemoryFile, Sound, Unreadable

#: ffmpeg's demuxer for each container that it reads for us.
_DEMUXERS = {
    "mp3": "mp3",
    "m4a": "mov,mp4,m4a,3gp,3g2,mj2",
    "aac": "aac",
    "webm": "matroska,webm",
    "amr": "amr",
    "wma": "asf",
    "wav": "wav",
    "ogg": "ogg",
}
_DECODERS = frozenset(
    {"aac", "alac", "amrnb", "amrwb", "flac", "g722", "g726", "mp3float", "opus", "pcm_alaw", "pcm_mulaw", "pcm_s16le"}
    | {"vorbis", "wmapro", "wmav1", "wmav2", "wmavoice"}
)
#: Format tags of WAV: G.726 (Microsoft's and Antex's), MP3, G.722 (ffmpeg's).
_WAVE_ENCODINGS = frozenset({0x0045, 0x0064, 0x0055, 0x028F})
#: Where another name than ffmpeg's is usual.
_NAMES = {"mp3float": "MPEG_LAYER_III"}
#: From here on an MP3 frame holds 1,152 samples, below it 576.
_LOWEST_MPEG1_HZ = 32_000
#: The codec's delay and its last frame are not sound: encoders take up to so many MP3 frames for them.
_MP3_DELAY_FRAMES = 4
#: Containers whose header tells the duration. For others ffmpeg guesses it from the bit rate.
_TELL_DURATION = frozenset({"m4a", "webm"})
#: Muxers do not agree on whether a codec's delay belongs to the duration.
_DURATION_SLACK_S = 0.25
_BLOCK_FRAMES = 8_192
_MOST_STREAMS = "16"
_AMR_MAGIC = b"#!AMR\n"


def reads(data: containers.Data, container: str) -> bool:
    """Whether a file is read here, and not by libsndfile."""
    if container == "wav":
        header = containers.wave_header(data)
        return header is not None and header.encoding in _WAVE_ENCODINGS
    if container == "ogg":
        return containers.ogg_streams(data) > 1  # libsndfile stops after the first
    return container in _DEMUXERS


def open_sound(memory: mmap.mmap, container: str) -> Sound:
    """Opens a file from memory.

    Raises:
        Unreadable: It holds no sound, or ffmpeg does not take it.
    """
    if container == "amr" and not memory[len(_AMR_MAGIC) :].strip(b"\0"):
        # Space that a recorder reserved and never filled: the decoder would make silence of it.
        raise Unreadable("no_samples", "the amr file holds nothing but zeros")
    demuxer = _DEMUXERS[container]
    try:
        file = av.open(
            MemoryFile(memory),
            mode="r",
            format=demuxer.partition(",")[0],
            container_options={
                "format_whitelist": demuxer,
                "codec_whitelist": ",".join(sorted(_DECODERS)),
                "protocol_whitelist": "none",
                "max_streams": _MOST_STREAMS,
            },
        )
    except (av.FFmpegError, ValueError) as error:
        raise Unreadable("bad_header", f"the {container} file cannot be read ({_said(error)})") from error
    if not file.streams.audio:
        raise _without_sound(container)
    stream = file.streams.audio[0]
    codec = stream.codec_context.codec.name if stream.codec_context else "something unknown"
    if codec not in _DECODERS:
        raise Unreadable("foreign_codec", f"its sound is coded as {codec}, which is not read")
    stream.codec_context.thread_count = 1
    frames = file.decode(stream)
    told = container in _TELL_DURATION and bool(file.duration)
    try:
        first = next(frames, None)
    except (av.FFmpegError, ValueError) as error:
        raise Unreadable("damaged", f"it is damaged before its first sound ({_said(error)})") from error
    if first is None:
        raise _cut_off() if told else _without_sound(container)
    # The decoder knows the rate better than the header: AAC's may be doubled by its high band.
    rate_hz = first.sample_rate
    declared = int((file.duration / av.time_base - _DURATION_SLACK_S) * rate_hz) if told and file.duration else 0
    if container == "mp3":
        samples = 1_152 if rate_hz >= _LOWEST_MPEG1_HZ else 576
        declared = (containers.mp3_frames(memory) - _MP3_DELAY_FRAMES) * samples
    name = _NAMES.get(codec, codec.upper())
    return Sound(rate_hz, first.layout.nb_channels, name, declared, _blocks(file, first, frames))


def _cut_off() -> Unreadable:
    return Unreadable("truncated", "it is cut off before its first sound")


def _without_sound(container: str) -> Unreadable:
    return Unreadable("no_samples", f"the {container} file holds no audio at all")


def _blocks(file: InputContainer, first: AudioFrame, frames: Iterator[AudioFrame]) -> Generator[Block, None, None]:
    form = first.sample_rate, first.layout.nb_channels
    waiting, held = list[Block](), 0
    why = ""
    with file:
        try:
            for frame in itertools.chain([first], frames):
                if (frame.sample_rate, frame.layout.nb_channels) != form:
                    why = "the sound changes its form"
                    break
                waiting.append(_as_float(frame))
                held += frame.samples
                # Some codecs give 20 ms at a time; each block costs its handling.
                if held >= _BLOCK_FRAMES:
                    yield np.concatenate(waiting)
                    waiting, held = [], 0
        except (av.FFmpegError, ValueError) as error:
            why = _said(error)
        if waiting:
            yield np.concatenate(waiting)
        if why:
            raise Damaged(why)


def _as_float(frame: AudioFrame) -> Block:
    samples: npt.NDArray[Any] = frame.to_ndarray()
    by_frame = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    block: Block = by_frame.astype(np.float32)
    if samples.dtype.kind == "f":
        return block
    if samples.dtype == np.uint8:
        block -= 128
    block *= 0.5 ** (8 * samples.itemsize - 1)
    return block


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).strip(" .")

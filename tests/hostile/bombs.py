"""Hostile files that take more than a cut or a number to make."""

import io
import struct
from collections.abc import Callable

import av
import numpy as np

from examples import synth
from tests.encoders import encoded_by_av
from tests.hostile.bases import base

#: Of 20 ms, in a minute.
_OPUS_PACKETS = 3_000
_EBML_VOID = b"\xec\x80"


def id3(sound: bytes, size: int) -> bytes:
    """Tags of `size` bytes (ID3v2.3) before the sound."""
    coded = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    frame = b"PRIV" + struct.pack(">IH", size - 10, 0)
    return b"ID3\x03\x00\x00" + coded + frame.ljust(size, b"\x01") + sound


def flac_that_claims(samples: int) -> Callable[[], bytes]:
    """A good FLAC file that says it has so many samples."""

    def make() -> bytes:
        data = base("flac")
        rate_and_form = int.from_bytes(data[18:26], "big") & ~0xF_FFFF_FFFF
        return data[:18] + (rate_and_form | samples).to_bytes(8, "big") + data[26:]

    return make


def flac_without_samples() -> bytes:
    """FLAC that ends after its metadata and does not say that there should be more."""
    data = flac_that_claims(0)()
    return data[: data.index(b"\xff\xf8")]


def ogg_that_ends_early() -> bytes:
    """Vorbis of ten seconds, with the mark of the last page on the fourth, and its checksum right."""
    data = synth.encoded(synth.vowels(10_000, 1), "vorbis")
    pages = [b"OggS" + rest for rest in data.split(b"OggS")[1:]]
    page = bytearray(pages[3])
    page[5] |= 4
    page[22:26] = bytes(4)
    page[22:26] = _ogg_checksum(page).to_bytes(4, "little")
    return b"".join([*pages[:3], page, *pages[4:]])


def _ogg_checksum(page: bytearray) -> int:
    """RFC 3533: polynomial 0x04C11DB7, nothing inverted."""
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    return register


def mp3_that_claims(frames: int) -> Callable[[], bytes]:
    """A good MP3 file whose Xing or Info header says it has so many frames."""

    def make() -> bytes:
        data = bytearray(base("mp3"))
        at = max(data.find(b"Xing"), data.find(b"Info"))
        struct.pack_into(">I", data, at + 8, frames)
        return bytes(data)

    return make


def webm_of_no_rate() -> bytes:
    """WebM with a sampling frequency that is no number."""
    data = bytearray(base("webm"))
    at = data.index(b"\xb5\x88") + 2
    struct.pack_into(">d", data, at, np.nan)
    return bytes(data)


def m4a_elsewhere() -> bytes:
    """M4A whose data reference says that the sound is in another file."""
    data = bytearray(base("m4a"))
    at = data.index(b"url ") - 4
    longer = b"file:///etc/passwd\0"
    data[at : at + 12] = struct.pack(">I4sI", 12 + len(longer), b"url ", 0) + longer
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        start = data.index(box) - 4
        struct.pack_into(">I", data, start, struct.unpack_from(">I", data, start)[0] + len(longer))
    return bytes(data)


def film(container: str) -> Callable[[], bytes]:
    """Ten pictures and no sound."""

    def make() -> bytes:
        data = io.BytesIO()
        with av.open(data, "w", format=container) as file:
            stream = file.add_stream("libvpx" if container == "webm" else "mpeg4", rate=10)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for _ in range(10):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
            file.mux(stream.encode(None))
        return data.getvalue()

    return make


def ac3() -> bytes:
    """A codec of films, in Matroska."""
    return encoded_by_av(synth.tone([425], 500, rate_hz=48_000), "matroska", "ac3", 48_000)


def wav_of_chunks() -> bytes:
    """WAV that is nothing but the headers of empty chunks."""
    return base("pcm16")[:36] + b"junk\0\0\0\0" * 1_000_000


def ogg_of_streams() -> bytes:
    """Ogg that begins one stream after another and goes on with none."""
    page = bytearray(base("vorbis")[:58])
    pages = []
    for number in range(20_000):
        struct.pack_into("<I", page, 14, number)
        pages.append(bytes(page))
    return b"".join(pages)


def mp4_of_boxes() -> bytes:
    """MP4 of boxes within boxes."""
    depth = 10_000
    boxes = b"".join(struct.pack(">I4s", 8 * (depth - level), b"moov") for level in range(depth))
    return base("m4a")[: base("m4a").index(b"ftyp") + 24] + boxes


def webm_of_elements() -> bytes:
    """WebM with a million empty elements where its sound should be."""
    data = base("webm")
    return data[: data.index(b"\x1f\x43\xb6\x75")] + _EBML_VOID * 1_000_000


def flac_with_picture() -> bytes:
    """FLAC with a block of 16 MB before its sound, as large as a block can be."""
    data = base("flac")
    size = 0xFF_FFFF
    return data[:42] + b"\x02" + size.to_bytes(3, "big") + bytes(size) + data[42:]


def eight_channels() -> bytes:
    """FLAC of eight channels."""
    return synth.encoded(np.stack([synth.tone([425], 1_500)] * 8, 1), "flac")


def flac_silence(seconds: int) -> Callable[[], bytes]:
    """FLAC of digital silence, for so long."""
    return lambda: _repeated_flac(np.zeros(60 * 8_000), seconds)


def flac_sound(seconds: int) -> Callable[[], bytes]:
    """FLAC of a tone, for so long."""
    return lambda: _repeated_flac(synth.tone([425], 60_000), seconds)


def _repeated_flac(minute: synth.Sound, seconds: int) -> bytes:
    """The frames of one minute again and again; the header does not say how many."""
    piece = synth.encoded(minute, "flac")
    start = piece.index(b"\xff\xf8")
    head = piece[:21] + bytes([piece[21] & 0xF0, 0, 0, 0, 0]) + piece[26:start]
    return head + piece[start:] * (seconds // 60)


def opus_minutes(minutes: int, container: str = "ogg") -> Callable[[], bytes]:
    """The packets of one minute of Opus again and again, put into their container by a real muxer."""

    def make() -> bytes:
        sound = synth.tone([425], 60_000, rate_hz=48_000)
        minute = encoded_by_av(sound, container, "libopus", 48_000, 6_000)
        data = io.BytesIO()
        with av.open(io.BytesIO(minute), "r") as source, av.open(data, "w", format=container) as file:
            packets = [packet for packet in source.demux(audio=0) if packet.size][:_OPUS_PACKETS]
            stream = file.add_stream_from_template(source.streams.audio[0])
            length = 60 / packets[0].time_base
            for number in range(minutes):
                for packet in packets:
                    again = av.Packet(bytes(packet))
                    again.stream, again.time_base = stream, packet.time_base
                    again.pts = again.dts = (packet.pts or 0) + int(number * length)
                    again.duration = packet.duration
                    file.mux(again)
        return data.getvalue()

    return make


def long_wave(name: str, seconds: int) -> Callable[[], bytes]:
    """The blocks of a WAV file again and again; its header does not say how many."""

    def make() -> bytes:
        data = base(name)
        start = data.index(b"data") + 8
        return data[: start - 4] + bytes(4) + data[start:] * int(seconds / 1.5)

    return make

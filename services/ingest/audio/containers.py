"""What a file is, by its first bytes, and what its header promises.

A name proves nothing: a text file called `call.wav` must not reach a decoder that guesses. `container_of` decides from
magic bytes; the other functions read just enough of a header to tell a whole file from a cut one, and to repair the
data size that a recorder leaves at zero when it dies before closing its file.
"""

import codecs
import struct
from dataclasses import dataclass

UNDERSTOOD = "WAV (PCM, float, mu-law, A-law, GSM, ADPCM), RF64, FLAC, Ogg (Vorbis, Opus), MP3"

#: Formats that people do send and that we cannot read, so that the message can name them.
_FOREIGN = (
    (0, b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"#!AMR", "an AMR recording"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska file"),
    (4, b"ftyp", "an MP4 or M4A file"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a WMA file"),
    (0, b"FORM", "an AIFF file"),
    (0, b".snd", "a Sun AU file"),
)

# MPEG audio layer III: bit rates in kbit/s and sampling rates (ISO/IEC 11172-3 for MPEG-1, 13818-3 for MPEG-2 and 2.5).
_MP3_KBPS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True, slots=True)
class WaveHeader:
    """What a RIFF/WAVE or RF64 header declares. Sizes and positions in bytes."""

    rate_hz: int
    data_at: int
    data_declared: int
    data_present: int


def container_of(data: bytes) -> str | None:
    """`wav`, `rf64`, `flac`, `ogg`, `mp3`, or None when the bytes begin like none of them."""
    if data[8:12] == b"WAVE" and data[:4] in (b"RIFF", b"RF64"):
        return "wav" if data[:4] == b"RIFF" else "rf64"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:3] == b"ID3" or _is_mp3(data):
        return "mp3"
    return None


def foreign_format(data: bytes) -> str | None:
    """The name, with its article, of a format that is recognised but not read; `a text file` for text."""
    for offset, magic, name in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            return name
    return "a text file" if _is_text(data[:512]) else None


def wave_header(data: bytes) -> WaveHeader | None:
    """The header of a RIFF/WAVE or RF64 file, or None when there is no `fmt ` or no `data` chunk."""
    position, rate_hz, long_size = 12, None, None
    while position + 8 <= len(data):
        chunk, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        body = position + 8
        if chunk == b"fmt " and body + 8 <= len(data):
            rate_hz = struct.unpack_from("<I", data, body + 4)[0]
        elif chunk == b"ds64" and body + 16 <= len(data):
            long_size = struct.unpack_from("<Q", data, body + 8)[0]
        elif chunk == b"data":
            declared = long_size if size == 0xFFFFFFFF and long_size is not None else size
            return None if rate_hz is None else WaveHeader(rate_hz, body, declared, len(data) - body)
        position = body + size + size % 2
    return None


def with_data_size(data: bytes, header: WaveHeader) -> bytes:
    """The same WAV file with its data size set to what is there, when a recorder left it at zero."""
    if header.data_declared or not header.data_present or _is_chunk(data, header.data_at):
        return data
    size = struct.pack("<I", min(header.data_present, 0xFFFFFFFF))
    return data[: header.data_at - 4] + size + data[header.data_at :]


def flac_frames(data: bytes) -> int:
    """The number of frames that FLAC's STREAMINFO declares, 0 when it does not know."""
    return int.from_bytes(data[21:26], "big") & 0xF_FFFF_FFFF


def without_flac_frames(data: bytes) -> bytes:
    """The same FLAC file with its number of frames unknown: libsndfile would stop there, and more may follow."""
    return data[:21] + bytes([data[21] & 0xF0, 0, 0, 0, 0]) + data[26:] if len(data) > 26 else data


def ogg_ends_early(data: bytes) -> bool:
    """Whether an Ogg file stops inside its last page, or before the page that ends the stream."""
    page = data.rfind(b"OggS")
    if page + 27 > len(data):
        return True
    segments = data[page + 26]
    end = page + 27 + segments + sum(data[page + 27 : page + 27 + segments])
    return end > len(data) or not data[page + 5] & 0x04


def mp3_declares_length(data: bytes) -> bool:
    """Whether an MP3 file carries a Xing or Info header, so that its number of frames is a promise and not a guess."""
    start = 10 + _synchsafe(data[6:10]) if data[:3] == b"ID3" else 0
    return any(tag in data[start : start + 256] for tag in (b"Xing", b"Info"))


def _is_mp3(data: bytes) -> bool:
    """Two layer III frame headers, the second where the first says: two bytes alone would match UTF-16 text."""
    length = _mp3_frame_bytes(data, 0)
    return length is not None and (length + 4 > len(data) or _mp3_frame_bytes(data, length) is not None)


def _mp3_frame_bytes(data: bytes, at: int) -> int | None:
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, bit_rate, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or bit_rate in (0, 15) or rate == 3:
        return None
    kbps = _MP3_KBPS[3 if version == 3 else 2][bit_rate]
    samples = 1152 if version == 3 else 576
    return samples // 8 * kbps * 1000 // _MP3_RATES[version][rate] + (data[at + 2] >> 1 & 1)


def _synchsafe(four: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=False))


def _is_chunk(data: bytes, at: int) -> bool:
    """Whether a well-formed RIFF chunk begins here: then a data chunk of size zero really is empty."""
    if at + 8 > len(data) or not data[at : at + 4].isalnum():
        return False
    size: int = struct.unpack_from("<I", data, at + 4)[0]
    return at + 8 + size <= len(data)


def _is_text(head: bytes) -> bool:
    encodings = ("utf-16",) if head[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8", "cp1252")
    for encoding in encodings:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(
                head
            )  # incremental: the head may end inside a character
        except UnicodeDecodeError:
            continue
        if text and all(character.isprintable() or character in "\r\n\t\ufeff" for character in text):
            return True
    return False

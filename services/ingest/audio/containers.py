"""What a file is, by its first bytes, and what its header promises.

A name proves nothing: a text file called `call.wav` must not reach a decoder that guesses. `container_of` decides from
magic bytes; the other functions read just enough of a header to tell a whole file from a cut one, and to repair the
data size that a recorder leaves at zero when it dies before closing its file.
"""

import codecs
import mmap
import struct
from dataclasses import dataclass

UNDERSTOOD = (
    "WAV (PCM, float, mu-law, A-law, GSM, ADPCM, G.722, G.726), RF64, AIFF, AU, FLAC, Ogg (Vorbis, Opus), MP3,"
    " M4A and AAC, WebM and Matroska, AMR, WMA"
)

#: A file in memory, or one that is mapped into it.
Data = bytes | mmap.mmap

#: What a file begins with, and what stands at its ninth byte.
_MAGIC = (
    (b"RIFF", b"WAVE", "wav"),
    (b"RF64", b"WAVE", "rf64"),
    (b"FORM", b"AIFF", "aiff"),
    (b"FORM", b"AIFC", "aiff"),
    (b".snd", b"", "au"),
    (b"fLaC", b"", "flac"),
    (b"OggS", b"", "ogg"),
    (b"ID3", b"", "mp3"),
    (b"#!AMR", b"", "amr"),
    (b"\x1aE\xdf\xa3", b"", "webm"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"", "wma"),
)

#: Formats that people do send and that we cannot read, so that the message can name them.
_FOREIGN = (
    (0, b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"AVI ", "an AVI film"),
    (0, b"FLV", "a Flash film"),
    (0, b"SQLite format 3", "an SQLite database"),
)

_AU_HEADER_BYTES = 24
_UNKNOWN_AU_SIZE = b"\xff\xff\xff\xff"

#: The object of an ASF file (WMA) that holds the file's size, and how far into the file it may stand.
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_BYTES = 65_536

#: A header has a handful; millions of empty ones would keep a core busy.
_MOST_CHUNKS = 10_000

# MPEG audio layer III: bit rates in kbit/s and sampling rates (ISO/IEC 11172-3 for MPEG-1, 13818-3 for MPEG-2 and 2.5).
_MP3_KBPS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True, slots=True)
class WaveHeader:
    """What a RIFF/WAVE or RF64 header declares. Sizes and positions in bytes; `encoding` is its format tag."""

    encoding: int
    channels: int
    rate_hz: int
    data_at: int
    data_declared: int
    data_present: int


def container_of(data: Data) -> str | None:
    """`wav`, `flac`, `ogg`, `mp3`, `m4a` and so on, or None when the bytes begin like nothing that is read."""
    head = data[:12]
    for start, form, container in _MAGIC:
        if head.startswith(start) and head[8:].startswith(form):
            return container
    if head[4:8] == b"ftyp":
        return "m4a"
    if _is_mp3(data):
        return "mp3"
    return "aac" if _is_adts(data) else None


def foreign_format(data: Data) -> str | None:
    """The name, with its article, of a format that is recognised but not read; `a text file` for text."""
    for offset, magic, name in _FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            return name
    return "a text file" if _is_text(data[:512]) else None


def wave_header(data: Data) -> WaveHeader | None:
    """The header of a RIFF/WAVE or RF64 file, or None when there is no `fmt ` or no `data` chunk."""
    position, form, long_size = 12, None, None
    for _ in range(_MOST_CHUNKS):
        if position + 8 > len(data):
            return None
        chunk, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        body = position + 8
        if chunk == b"fmt " and body + 8 <= len(data):
            form = struct.unpack_from("<HHI", data, body)
        elif chunk == b"ds64" and body + 16 <= len(data):
            long_size = struct.unpack_from("<Q", data, body + 8)[0]
        elif chunk == b"data":
            declared = long_size if size == 0xFFFFFFFF and long_size is not None else size
            if form is None:
                return None
            encoding, channels, rate_hz = form
            return WaveHeader(encoding, channels, rate_hz, body, declared, len(data) - body)
        position = body + size + size % 2
    return None


def set_data_size(data: mmap.mmap, header: WaveHeader) -> bool:
    """Sets a WAV file's data size to what is there, when it was left at zero or is too small; whether it did.

    It is too small when the file, by its own size, goes on after the data with something that is no chunk.
    """
    end = header.data_at + header.data_declared + header.data_declared % 2
    unset = header.data_declared == 0 and header.data_present > 0
    riff_end = 8 + int.from_bytes(data[4:8], "little") if data[:4] == b"RIFF" else 0
    too_small = end + 8 <= min(riff_end, len(data))
    if not (unset or too_small) or _is_chunk(data, end):
        return False
    data[header.data_at - 4 : header.data_at] = struct.pack("<I", min(header.data_present, 0xFFFFFFFF))
    return True


def set_au_size(data: mmap.mmap) -> bool:
    """Makes the size in the header of an AU file unknown when more is there than it says; whether it did."""
    start, size = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    if len(data) < _AU_HEADER_BYTES or start + size >= len(data):
        return False
    data[8:12] = _UNKNOWN_AU_SIZE
    return True


def ends_early(data: Data, container: str) -> bool:
    """Whether a file is shorter than its container says it is, for those that say so in one place."""
    if container == "ogg":
        return _ogg_ends_early(data)
    if container == "aiff":
        return 8 + int.from_bytes(data[4:8], "big") > len(data)
    if container == "au":
        start, size = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
        return start + (0 if data[8:12] == _UNKNOWN_AU_SIZE else size) > len(data)
    if container == "wma":
        properties = data[:_ASF_HEADER_BYTES].find(_ASF_FILE_PROPERTIES)
        return properties >= 0 and int.from_bytes(data[properties + 40 : properties + 48], "little") > len(data)
    return False


def flac_frames(data: Data) -> int:
    """The number of frames that FLAC's STREAMINFO declares, 0 when it does not know."""
    return int.from_bytes(data[21:26], "big") & 0xF_FFFF_FFFF


def forget_flac_frames(data: mmap.mmap) -> None:
    """Makes a FLAC file's number of frames unknown: libsndfile would stop there, and more may follow."""
    if len(data) > 26:
        data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])


def ogg_streams(data: Data) -> int:
    """How many streams begin in an Ogg file: more than one when several are together or after one another in it."""
    count, page = 0, data.find(b"OggS", 0)
    while page >= 0 and page + 27 <= len(data):
        count += data[page + 5] >> 1 & 1
        segments = data[page + 26]
        page = data.find(b"OggS", page + 27 + segments + sum(data[page + 27 : page + 27 + segments]))
    return count


def mp3_frames(data: Data) -> int:
    """The number of frames that an MP3 file's Xing or Info header promises, 0 when it does not say."""
    start = 10 + _synchsafe(data[6:10]) if data[:3] == b"ID3" else 0
    head = data[start : start + 256]
    at = max(head.find(b"Xing"), head.find(b"Info"))
    told = at > 0 and len(head) >= at + 12 and head[at + 7] & 1
    return int.from_bytes(head[at + 8 : at + 12], "big") if told else 0


def _ogg_ends_early(data: Data) -> bool:
    """Whether an Ogg file stops inside its last page, or before the page that ends the stream."""
    page = data.rfind(b"OggS", 0)  # a mapping would search from its position on
    if page + 27 > len(data):
        return True
    segments = data[page + 26]
    end = page + 27 + segments + sum(data[page + 27 : page + 27 + segments])
    return end > len(data) or not data[page + 5] & 0x04


def _is_adts(data: Data) -> bool:
    """Two ADTS frame headers (ISO/IEC 13818-7), the second where the first says."""

    def begins(at: int) -> bool:
        return data[at : at + 1] == b"\xff" and data[at + 1] & 0xF6 == 0xF0

    if len(data) < 7 or not begins(0):
        return False
    length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    return length > 7 and (length + 7 > len(data) or begins(length))


def _is_mp3(data: Data) -> bool:
    """Two layer III frame headers, the second where the first says: two bytes alone would match UTF-16 text."""
    length = _mp3_frame_bytes(data, 0)
    return length is not None and (length + 4 > len(data) or _mp3_frame_bytes(data, length) is not None)


def _mp3_frame_bytes(data: Data, at: int) -> int | None:
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


def _is_chunk(data: Data, at: int) -> bool:
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

"""The hostile files: what each is, how it is made, and the answer that it deserves.

`CORPUS` holds them by name. Each ends as a named error or as sound with named warnings; none may come out as silence.
The `whole` ones take long to make or to refuse and belong to `make hostile`.
"""

import bz2
import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import soundfile

from examples import synth
from tests.hostile import bombs
from tests.hostile.bases import base

#: What a file ends as that is a recording after all.
SOUND = "sound"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One file.

    `ends` is the error's code, or `sound`, with its warnings after a colon; `whole_ends` the same under the limits of
    production, where that is another.
    """

    what: str
    ends: str
    make: Callable[[], bytes]
    whole_ends: str = ""
    whole: bool = False


def _cut(name: str, at: int | bytes | float, more: int = 0) -> Callable[[], bytes]:
    """A good file cut at a position, at a share of it, or `more` bytes after something in it."""

    def make() -> bytes:
        data = base(name)
        if isinstance(at, bytes):
            return data[: data.index(at) + more]
        return data[: int(at * len(data)) if isinstance(at, float) else at]

    return make


def _set(name: str, at: int | bytes, layout: str, *values: int, more: int = 0) -> Callable[[], bytes]:
    """A good file with other numbers at a position, or `more` bytes after something in it."""

    def make() -> bytes:
        data = bytearray(base(name))
        struct.pack_into(layout, data, (data.index(at) if isinstance(at, bytes) else at) + more, *values)
        return bytes(data)

    return make


def _all(name: str, old: bytes, new: bytes) -> Callable[[], bytes]:
    return lambda: base(name).replace(old, new)


def _floats(value: float, every: int) -> Callable[[], bytes]:
    def make() -> bytes:
        sound = synth.tone([425], 1_000)
        sound[::every] = value
        file = io.BytesIO()
        soundfile.write(file, sound, 8_000, format="WAV", subtype="FLOAT")
        return file.getvalue()

    return make


def _empty(codec: str) -> Callable[[], bytes]:
    return lambda: synth.encoded(np.zeros(0), codec)


def _zip(*, level: int = zipfile.ZIP_DEFLATED, size: int = 1_000) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", level) as archive:
        archive.writestr("call.wav", bytes(size))
    return file.getvalue()


_TEXT: dict[str, bytes] = {
    "text.wav": b"The call could not be recorded.\n",
    "ffconcat.wav": b"ffconcat version 1.0\nfile secret.wav\n",
    "concat.mp3": b"# a playlist of ffmpeg\nfile '/etc/passwd'\n",
    "hls.wav": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "m3u8.mp3": b"#EXTM3U\nhttp://elsewhere.example/a.ts\n",
    "pls.ogg": b"[playlist]\nFile1=secret.wav\n",
    "sdp.wav": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 4000 RTP/AVP 0\n",
    "dash.wav": b'<?xml version="1.0"?>\n<MPD><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>\n',
    "entities.wav": b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>\n<a>&c;</a>\n',
    "ffmetadata.wav": b";FFMETADATA1\ntitle=call\n",
    "page.wav": b"<!doctype html>\n<title>404 Not Found</title>\n",
    "sidecar.wav": b'{"CALL_ID": "A1", "NUMERO_CLIENT": "0612345678"}\n',
    "script.wav": b"#!/bin/sh\nrm -rf /\n",
    "utf16.wav": "Réunion à 14 h\r\n".encode("utf-16"),
}

_CUTS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "wav-in-riff.wav": ("WAV, 10 bytes of it", "unknown_format", _cut("pcm16", 10)),
    "wav-after-riff.wav": ("WAV, cut after its first header", "truncated", _cut("pcm16", 12)),
    "wav-in-fmt.wav": ("WAV, cut inside the format", "truncated", _cut("pcm16", b"fmt ", 14)),
    "wav-before-data.wav": ("WAV, cut before the data", "truncated", _cut("pcm16", b"data")),
    "wav-after-header.wav": ("WAV, nothing after the data's header", "truncated", _cut("pcm16", b"data", 8)),
    "wav-middle.wav": ("WAV, half of it", "sound: truncated", _cut("ulaw", 0.5)),
    "gsm-in-block.wav": ("GSM, cut inside a block", "sound: truncated", _cut("gsm", 1_000)),
    "adpcm-in-block.wav": ("IMA ADPCM, cut inside a block", "sound: truncated", _cut("ima-adpcm", 0.5)),
    "g722-middle.wav": ("G.722, half of it", "sound: truncated", _cut("g722", 0.5)),
    "rf64-in-ds64.wav": ("RF64, cut inside its sizes", "truncated", _cut("rf64", b"ds64", 14)),
    "rf64-middle.wav": ("RF64, half of it", "sound: truncated", _cut("rf64", 0.5)),
    "aiff-in-form.aiff": ("AIFF, cut inside the format", "truncated", _cut("aiff", b"COMM", 12)),
    "aiff-no-data.aiff": ("AIFF, nothing after the data's header", "truncated", _cut("aiff", b"SSND", 16)),
    "aiff-middle.aiff": ("AIFF, half of it", "sound: truncated", _cut("aiff", 0.5)),
    "au-in-header.au": ("AU, cut inside the header", "truncated", _cut("au", 20)),
    "au-after-header.au": ("AU, nothing but the header", "truncated", _cut("au", 32)),
    "au-middle.au": ("AU, half of it", "sound: truncated", _cut("au", 0.5)),
    "flac-magic.flac": ("FLAC, four bytes of it", "bad_header", _cut("flac", 4)),
    "flac-in-info.flac": ("FLAC, cut inside its first block", "bad_header", _cut("flac", 20)),
    "flac-in-frame.flac": ("FLAC, cut inside the first frame", "truncated", _cut("flac", b"\xff\xf8", 500)),
    "flac-middle.flac": ("FLAC, half of it", "sound: truncated", _cut("flac", 0.5)),
    "vorbis-in-page.ogg": ("Vorbis, cut inside the first page", "truncated", _cut("vorbis", 40)),
    "vorbis-one-page.ogg": ("Vorbis, one of three headers", "truncated", _cut("vorbis", 58)),
    "vorbis-middle.ogg": ("Vorbis, cut inside its only page of sound", "truncated", _cut("vorbis", 0.8)),
    "opus-after-head.ogg": ("Opus, cut after its first header", "truncated", _cut("opus", b"OpusHead", 19)),
    "opus-in-tags.opus": ("Opus, cut inside the second header", "truncated", _cut("opus", b"OpusTags", 10)),
    "opus-middle.opus": ("Opus, cut inside a page", "sound: truncated", _cut("opus", 0.9)),
    "mp3-in-frame.mp3": ("MP3, cut inside the first frame", "bad_header", _cut("mp3", 60)),
    "mp3-middle.mp3": ("MP3, half of it", "sound: truncated", _cut("mp3", 0.5)),
    "mp3-in-tag.mp3": ("MP3, cut inside the tags before it", "bad_header", lambda: bombs.id3(b"", 5_000)[:2_000]),
    "m4a-in-type.m4a": ("M4A, cut inside its first box", "bad_header", _cut("m4a", 12)),
    "m4a-no-index.m4a": ("M4A, cut before its index", "bad_header", _cut("m4a", b"moov", -4)),
    "m4a-in-index.m4a": ("M4A, cut inside its index", "bad_header", _cut("m4a", b"stsz", 40)),
    "mp4-no-fragment.mp4": (
        "fragmented MP4, nothing but the header",
        "no_samples",
        _cut("fragmented-mp4", b"moof", -4),
    ),
    "mp4-in-fragment.mp4": ("fragmented MP4, cut inside the sound", "sound: truncated", _cut("fragmented-mp4", 0.5)),
    "aac-in-frame.aac": ("AAC, cut inside the first frame", "damaged", _cut("aac", 50)),
    "aac-middle.aac": ("AAC, half of it", "sound: damaged", _cut("aac", 0.5)),
    "webm-in-head.webm": ("WebM, cut inside its first header", "bad_header", _cut("webm", 20)),
    "webm-no-sound.webm": ("WebM, cut before its first cluster", "bad_header", _cut("webm", b"\x1f\x43\xb6\x75")),
    "webm-middle.webm": ("WebM, half of it", "sound: truncated", _cut("webm", 0.5)),
    "amr-magic.amr": ("AMR, its first line only", "no_samples", _cut("amr", 6)),
    "amr-in-frame.amr": ("AMR, cut inside a frame", "sound: damaged", _cut("amr", 1_010)),
    "wma-in-head.wma": ("WMA, cut inside its header", "truncated", _cut("wma", 200)),
    "wma-middle.wma": ("WMA, half of it", "sound: truncated", _cut("wma", 0.5)),
}

_LIES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "4-gb.wav": ("WAV that says it has 4 GB", "sound: truncated", _set("pcm16", 40, "<I", 0xFFFFFFFF)),
    "no-size.wav": ("WAV whose size was never set", "sound: size_unset", _set("pcm16", 40, "<I", 0)),
    "small-size.wav": ("WAV that says it has 20 ms", "sound: size_unset", _set("pcm16", 40, "<I", 320)),
    "rate-0.wav": ("WAV of 0 Hz", "implausible_rate", _set("pcm16", 24, "<I", 0)),
    "rate-1.wav": ("WAV of 1 Hz", "implausible_rate", _set("pcm16", 24, "<I", 1)),
    "rate-100-mhz.wav": ("WAV of 100 MHz", "implausible_rate", _set("pcm16", 24, "<I", 100_000_000)),
    "rate-most.wav": ("WAV of 4,294,967,295 Hz", "implausible_rate", _set("pcm16", 24, "<I", 0xFFFFFFFF)),
    "channels-0.wav": ("WAV of no channel", "implausible_channels", _set("pcm16", 22, "<H", 0)),
    "channels-65535.wav": ("WAV of 65,535 channels", "implausible_channels", _set("pcm16", 22, "<H", 65_535)),
    "channels-1024.wav": ("WAV of 1,024 channels", "implausible_channels", _set("pcm16", 22, "<H", 1_024)),
    "bits-0.wav": ("WAV of 0 bits", "bad_header", _set("pcm16", 34, "<H", 0)),
    "bits-65535.wav": ("WAV of 65,535 bits", "bad_header", _set("pcm16", 34, "<H", 65_535)),
    "block-0.wav": ("IMA ADPCM in blocks of no byte", "bad_header", _set("ima-adpcm", b"fmt ", "<H", 0, more=20)),
    "unknown-codec.wav": ("WAV of a codec that nobody knows", "bad_header", _set("pcm16", 20, "<H", 0x1234)),
    "format-4-gb.wav": ("WAV whose format chunk has 4 GB", "truncated", _set("pcm16", 16, "<I", 0xFFFFFFFF)),
    "format-0.wav": ("WAV whose format chunk is empty", "truncated", _set("pcm16", 16, "<I", 0)),
    "rate-0.flac": ("FLAC of 0 Hz", "bad_header", _set("flac", 18, ">I", 0x00000070)),
    "most-samples.flac": ("FLAC that says it plays 2,400 hours", "sound: truncated", bombs.flac_that_claims(2**36 - 1)),
    "one-sample.flac": ("FLAC that says it has one sample", SOUND, bombs.flac_that_claims(1)),
    "rate-infinite.aiff": (
        "AIFF of infinitely many Hz",
        "implausible_rate",
        _set("aiff", b"COMM", ">HQ", 0x7FFF, 0, more=16),
    ),
    "rate-0.aiff": ("AIFF of 0 Hz", "implausible_rate", _set("aiff", b"COMM", ">HQ", 0, 0, more=16)),
    "most-samples.aiff": ("AIFF that says it has 4 G samples", SOUND, _set("aiff", b"COMM", ">I", 2**32 - 1, more=10)),
    "rate-0.au": ("AU of 0 Hz", "bad_header", _set("au", 16, ">I", 0)),
    "channels-65535.au": ("AU of 65,535 channels", "bad_header", _set("au", 20, ">I", 65_535)),
    "data-at-4-gb.au": ("AU whose sound begins at 4 GB", "truncated", _set("au", 4, ">I", 0xFFFFFFF0)),
    "small-size.au": ("AU that says it has 20 ms", "sound: size_unset", _set("au", 8, ">I", 160)),
    "channels-255.opus": ("Opus of 255 channels", "bad_header", _set("opus", b"OpusHead", "B", 255, more=9)),
    "channels-0.opus": ("Opus of no channel", "bad_header", _set("opus", b"OpusHead", "B", 0, more=9)),
    "early-end.ogg": ("Vorbis with its end marked too early", "sound: truncated", bombs.ogg_that_ends_early),
    "two-in-one.ogg": ("two Vorbis files in one", SOUND, lambda: base("vorbis") * 2),
    "two-in-one.opus": ("two Opus files in one", SOUND, lambda: base("opus") * 2),
    "rate-0.ogg": ("Vorbis of 0 Hz", "bad_header", _set("vorbis", b"\x01vorbis", "<I", 0, more=12)),
    "most-frames.mp3": ("MP3 that says it has 4 G frames", "sound: truncated", bombs.mp3_that_claims(2**32 - 1)),
    "one-frame.mp3": ("MP3 that says it has one frame", SOUND, bombs.mp3_that_claims(1)),
    "most-samples.m4a": (
        "M4A with 4 G samples in its index",
        "bad_header",
        _set("m4a", b"stsz", ">I", 2**32 - 1, more=12),
    ),
    "timescale-0.m4a": ("M4A whose second has no parts", "truncated", _set("m4a", b"mdhd", ">I", 0, more=16)),
    "rate-nan.webm": ("WebM whose rate is no number", SOUND, bombs.webm_of_no_rate),
    "elsewhere.m4a": ("M4A that has its sound in /etc/passwd", SOUND, bombs.m4a_elsewhere),
    "mode-15.amr": ("AMR of frames without sound", "damaged", lambda: b"#!AMR\n" + b"\x7c" * 500),
    "magic-only.wma": ("text behind WMA's magic bytes", "bad_header", lambda: base("wma")[:16] + b"no sound\n" * 99),
}

_FOREIGN: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "empty.wav": ("nothing", "empty", bytes),
    "one-byte.wav": ("one byte", "unknown_format", lambda: b"\0"),
    "zeros.wav": ("a megabyte of zeros", "unknown_format", lambda: bytes(1_000_000)),
    "random.wav": ("a megabyte of chance", "unknown_format", lambda: np.random.default_rng(5).bytes(1_000_000)),
    "random.opus": ("Ogg's magic and chance", "truncated", lambda: b"OggS" + np.random.default_rng(6).bytes(100_000)),
    "archive.wav": ("a ZIP archive", "foreign_format", _zip),
    "bomb.zip.wav": ("a ZIP bomb, 50 MB from 50 KB", "foreign_format", lambda: _zip(size=50_000_000)),
    "bomb.gz.wav": ("a gzip bomb, 50 MB from 50 KB", "foreign_format", lambda: gzip.compress(bytes(50_000_000))),
    "bomb.bz2.wav": ("a bzip2 bomb", "foreign_format", lambda: bz2.compress(bytes(10_000_000))),
    "document.wav": ("a PDF document", "foreign_format", lambda: b"%PDF-1.7\n" + bytes(1_000)),
    "picture.mp3": ("a JPEG picture", "foreign_format", lambda: b"\xff\xd8\xff\xe0" + bytes(1_000)),
    "program.wav": ("a program", "foreign_format", lambda: b"\x7fELF\x02\x01\x01" + bytes(1_000)),
    "film.mp4": ("a film without sound", "no_samples", bombs.film("mp4")),
    "film.webm": ("a film without sound", "no_samples", bombs.film("webm")),
    "ac3.mka": ("a codec that is not on the list", "foreign_codec", bombs.ac3),
    "wav-with-zip.wav": ("WAV and a ZIP archive in one", SOUND, lambda: base("pcm16") + _zip()),
    "zip-with-wav.wav": ("a ZIP archive and WAV in one", "foreign_format", lambda: _zip() + base("pcm16")),
    "pdf-with-mp3.mp3": ("PDF and MP3 in one", "foreign_format", lambda: b"%PDF-1.4\n" + base("mp3")),
    "mp3-with-playlist.mp3": ("text behind MP3's tags", "bad_header", lambda: bombs.id3(_TEXT["hls.wav"], 100)),
    "flac-with-tag.mp3": ("FLAC behind MP3's tags", "bad_header", lambda: bombs.id3(base("flac"), 100)),
    "wav-of-text.wav": (
        "text behind WAV's magic bytes",
        "truncated",
        lambda: b"RIFF\0\0\0\0WAVE" + _TEXT["ffconcat.wav"],
    ),
    "ogg-of-text.ogg": ("text behind Ogg's magic bytes", "truncated", lambda: b"OggS" + _TEXT["ffconcat.wav"]),
    "flac-of-text.flac": ("text behind FLAC's magic bytes", "bad_header", lambda: b"fLaC" + _TEXT["hls.wav"]),
    "mp4-of-text.m4a": (
        "text behind MP4's magic bytes",
        "bad_header",
        lambda: b"\0\0\0\x10ftypM4A " + _TEXT["hls.wav"],
    ),
    "webm-of-text.webm": ("text behind WebM's magic bytes", "bad_header", lambda: b"\x1aE\xdf\xa3" + _TEXT["hls.wav"]),
    "amr-of-text.amr": ("text behind AMR's magic bytes", "damaged", lambda: b"#!AMR\n" + _TEXT["hls.wav"]),
    "wav-of-opus.wav": ("Opus in a WAV file", "bad_header", _all("pcm16", b"\x01\x00\x01\x00", b"\x4f\x70\x01\x00")),
}

_NO_SOUND: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "no-samples.wav": ("WAV without a sample", "no_samples", _empty("pcm16")),
    "no-samples.flac": ("FLAC without a sample", "no_samples", bombs.flac_without_samples),
    "no-samples.ogg": ("Vorbis without a sample", "no_samples", _empty("vorbis")),
    "no-samples.opus": ("Opus without a sample", "truncated", _empty("opus")),
    "only-tags.mp3": ("MP3 tags and nothing else", "bad_header", lambda: bombs.id3(b"", 1_000)),
    "only-list.wav": ("WAV of metadata", "truncated", lambda: base("pcm16")[:36] + b"LIST\x04\0\0\0INFO"),
    "only-tags.flac": ("FLAC of metadata", "truncated", _cut("flac", b"\xff\xf8")),
    "zeros.amr": ("AMR of zeros", "no_samples", lambda: b"#!AMR\n" + bytes(5_000)),
    "all-nan.wav": ("floats, none of them a number", "not_finite", _floats(np.nan, 1)),
    "infinite.wav": ("floats, one in ten infinite", "not_finite", _floats(np.inf, 10)),
    "few-nan.wav": ("floats, one in a hundred no number", "sound: not_finite", _floats(np.nan, 100)),
    "huge.wav": ("floats, each tenth 10^38", SOUND, _floats(1e38, 10)),
}

_BOMBS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "chunks.wav": ("WAV of a million empty chunks", "truncated", bombs.wav_of_chunks),
    "streams.ogg": ("Ogg of 20,000 streams", "truncated", bombs.ogg_of_streams),
    "boxes.m4a": ("MP4 boxes, 10,000 deep", "bad_header", bombs.mp4_of_boxes),
    "elements.webm": ("WebM of a million empty elements", "bad_header", bombs.webm_of_elements),
    "tags.mp3": ("MP3 behind 16 MB of tags", SOUND, lambda: bombs.id3(base("mp3"), 16_000_000)),
    "tag-256-mb.mp3": (
        "MP3 tags that say they have 256 MB",
        "bad_header",
        lambda: b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + bytes(99),
    ),
    "picture.flac": ("FLAC with a picture of 16 MB", SOUND, bombs.flac_with_picture),
    "eight-channels.flac": ("FLAC of 8 channels in 24 bits", "sound: extra_channels", bombs.eight_channels),
}

#: Bombs where a minute is long.
_LONG: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "two-minutes.amr": ("AMR, two minutes", "too_long", lambda: b"#!AMR\n" + base("amr")[6:] * 80),
    "two-minutes.mp3": ("MP3, two minutes, says one second", "too_long", lambda: base("mp3") * 80),
    "two-minutes.flac": ("FLAC, two minutes", "too_long", bombs.flac_sound(120)),
    "two-minutes.opus": ("Opus, two minutes", "too_long", bombs.opus_minutes(2)),
    "two-minutes.wav": ("GSM, two minutes", "too_long", bombs.long_wave("gsm", 120)),
}

#: How those end where four hours are allowed, if not as sound without a warning.
_LONG_IN_FULL = {"two-minutes.wav": "sound: size_unset"}

_WHOLE: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "100-hours.flac": ("FLAC, 100 hours of silence", "too_long", bombs.flac_silence(360_000)),
    "10-hours.opus": ("Opus, 10 hours", "too_long", bombs.opus_minutes(600)),
    "10-hours.webm": ("WebM, 10 hours of Opus", "too_long", bombs.opus_minutes(600, "webm")),
    "10-hours.amr": ("AMR, 10 hours", "too_long", lambda: b"#!AMR\n" + base("amr")[6:] * 24_000),
    "10-hours-gsm.wav": ("GSM, 10 hours", "too_long", bombs.long_wave("gsm", 36_000)),
    "10-hours-adpcm.wav": ("IMA ADPCM, 10 hours", "too_long", bombs.long_wave("ima-adpcm", 36_000)),
    "10-hours-g722.wav": ("G.722, 10 hours", "too_long", bombs.long_wave("g722", 36_000)),
    "allowed.flac": ("FLAC, 3 h 59 min, which is allowed", SOUND, bombs.flac_sound(14_340)),
    "allowed-ulaw.wav": ("mu-law, 3 h 59 min, which is allowed", "sound: size_unset", bombs.long_wave("ulaw", 14_340)),
}

_TIGHT = (_CUTS, _LIES, _FOREIGN, _NO_SOUND, _BOMBS)

CORPUS: dict[str, Hostile] = {
    **{name: Hostile("text with a recording's name", "text", partial(bytes, text)) for name, text in _TEXT.items()},
    **{name: Hostile(*row) for rows in _TIGHT for name, row in rows.items()},
    **{name: Hostile(*row, whole_ends=_LONG_IN_FULL.get(name, SOUND)) for name, row in _LONG.items()},
    **{name: Hostile(*row, whole=True) for name, row in _WHOLE.items()},
}

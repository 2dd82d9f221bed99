"""Every format that is read, in files that real encoders made."""

import io
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import soundfile

from examples import synth
from services.ingest.audio.decode import DecodeLimits, Recording, Undecodable, decode
from tests.encoders import encoded_by_av

AMR_MAGIC = b"#!AMR\n"


def call(rate_hz: int = 8_000, channels: int = 1, ms: int = 2_000) -> synth.Sound:
    """A tone of its own in each channel: 425 Hz, 525 Hz, and so on."""
    tones = [synth.tone([425 + 100 * channel], ms, rate_hz=rate_hz) for channel in range(channels)]
    return tones[0] if channels == 1 else np.stack(tones, 1)


def by_sndfile(sound: synth.Sound, rate_hz: int, container: str, subtype: str, **more: float | str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, rate_hz, format=container, subtype=subtype, **more)
    return file.getvalue()


def loudest_hz(recording: Recording, channel: int = 0) -> float:
    samples = recording.channels[channel]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * recording.rate_hz / len(samples))


def assert_heard(recording: Recording, codec: str, *, ms: int = 2_000, channels: int = 1) -> None:
    """The tones are there, in their channels, as loud as they were, and for as long."""
    assert (recording.codec, recording.source_channels) == (codec, channels)
    assert recording.warnings == (("extra_channels",) if channels > 2 else ())
    assert abs(recording.duration_ms - ms) <= 200  # an encoder's delay and its last frame
    for number, samples in enumerate(recording.channels):
        assert loudest_hz(recording, number) == pytest.approx(425 + 100 * number, abs=2)
        level = np.sqrt(np.mean(samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64) ** 2)) / 32_768
        assert 20 * np.log10(level) == pytest.approx(-18, abs=5)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        *(("WAV", kind) for kind in ("MS_ADPCM", "IMA_ADPCM", "GSM610", "ULAW", "ALAW", "PCM_U8", "DOUBLE")),
        *(("RF64", kind) for kind in ("PCM_16", "PCM_24", "ULAW")),
        *(("AIFF", kind) for kind in ("PCM_S8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW", "GSM610")),
        *(("AU", kind) for kind in ("PCM_16", "ULAW", "ALAW", "FLOAT")),
        *(("FLAC", kind) for kind in ("PCM_S8", "PCM_16", "PCM_24")),
        *(("OGG", kind) for kind in ("VORBIS", "OPUS")),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_what_libsndfile_writes_is_heard(container: str, subtype: str) -> None:
    assert_heard(decode(by_sndfile(call(), 8_000, container, subtype), "call"), f"{container}/{subtype}")


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz", "bit_rate", "expected"),
    [
        ("ipod", "aac", 8_000, 24_000, "M4A/AAC"),
        ("ipod", "aac", 44_100, 64_000, "M4A/AAC"),
        ("ipod", "alac", 16_000, 0, "M4A/ALAC"),
        ("mp4", "libopus", 48_000, 24_000, "M4A/OPUS"),
        ("adts", "aac", 16_000, 32_000, "AAC/AAC"),
        ("webm", "libopus", 48_000, 12_000, "WEBM/OPUS"),
        ("matroska", "libmp3lame", 44_100, 64_000, "WEBM/MPEG_LAYER_III"),
        ("matroska", "pcm_s16le", 8_000, 0, "WEBM/PCM_S16LE"),
        ("amr", "libopencore_amrnb", 8_000, 12_200, "AMR/AMRNB"),
        ("amr", "libopencore_amrnb", 8_000, 4_750, "AMR/AMRNB"),
        ("3gp", "libopencore_amrnb", 8_000, 7_400, "M4A/AMRNB"),
        ("asf", "wmav2", 16_000, 32_000, "WMA/WMAV2"),
        ("asf", "wmav1", 22_050, 32_000, "WMA/WMAV1"),
        ("wav", "g722", 16_000, 64_000, "WAV/G722"),
        ("wav", "g726", 8_000, 32_000, "WAV/G726"),
        ("ogg", "libopus", 48_000, 12_000, "OGG/OPUS"),
        ("mp3", "libmp3lame", 16_000, 16_000, "MP3/MPEG_LAYER_III"),
        ("wav", "libmp3lame", 8_000, 16_000, "WAV/MPEG_LAYER_III"),
        ("wav", "pcm_alaw", 8_000, 0, "WAV/ALAW"),
        ("wav", "adpcm_ms", 8_000, 0, "WAV/MS_ADPCM"),
        ("wav", "adpcm_ima_wav", 8_000, 0, "WAV/IMA_ADPCM"),
    ],
)
def test_what_ffmpeg_writes_is_heard(container: str, codec: str, rate_hz: int, bit_rate: int, expected: str) -> None:
    data = encoded_by_av(call(rate_hz), container, codec, rate_hz, bit_rate)
    assert_heard(decode(data, "call"), expected)


@pytest.mark.parametrize(("mode", "quality"), [("CONSTANT", 0.5), ("AVERAGE", 0.5), ("VARIABLE", 0.3)])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_mp3_of_any_bit_rate_mode_is_heard(mode: str, quality: float, rate_hz: int) -> None:
    data = by_sndfile(call(rate_hz), rate_hz, "MP3", "MPEG_LAYER_III", bitrate_mode=mode, compression_level=quality)
    assert_heard(decode(data, "call.mp3"), "MP3/MPEG_LAYER_III")


@pytest.mark.parametrize("loud_first", [False, True])
def test_an_mp3_file_of_varying_bit_rate_without_any_header_is_heard_to_its_end(loud_first: bool) -> None:
    sound = np.concatenate([synth.silence(20_000), synth.noise(20_000, -12, 1)])
    data = by_sndfile(sound[::-1] if loud_first else sound, 8_000, "MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE")
    bare = data[data.index(data[:2], 100) :]  # the first frame holds nothing but the header
    recording = decode(bare, "call.mp3")
    assert recording.duration_ms == pytest.approx(40_000, abs=250)


def test_an_mp3_file_with_tags_and_a_picture_before_its_sound_is_heard() -> None:
    picture = b"APIC" + (200_000).to_bytes(4, "big") + bytes(2) + bytes(200_000)
    size = len(picture)
    tag = b"ID3\x03\x00\x00" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + picture
    assert_heard(decode(tag + synth.encoded(call(), "mp3"), "call.mp3"), "MP3/MPEG_LAYER_III")


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("codec", ["pcm16", "flac", "vorbis"])
def test_every_rate_from_8_to_48_khz_is_heard(codec: str, rate_hz: int) -> None:
    recording = decode(synth.encoded(call(rate_hz), codec, rate_hz), "call")
    assert_heard(recording, recording.codec)
    assert (recording.source_rate_hz, recording.rate_hz) == (rate_hz, 8_000 if rate_hz == 8_000 else 16_000)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("AU", "ULAW")])
def test_of_one_to_eight_channels_the_first_two_are_heard(container: str, subtype: str, channels: int) -> None:
    recording = decode(by_sndfile(call(8_000, channels), 8_000, container, subtype), "call")
    assert len(recording.channels) == min(channels, 2)
    assert_heard(recording, f"{container}/{subtype}", channels=channels)


@pytest.mark.parametrize(
    ("container", "codec", "bit_rate", "expected"),
    [
        ("ipod", "aac", 96_000, "M4A/AAC"),
        ("webm", "libopus", 96_000, "WEBM/OPUS"),
        ("asf", "wmav2", 96_000, "WMA/WMAV2"),
        ("ogg", "libopus", 96_000, "OGG/OPUS"),
    ],
)
def test_two_channels_stay_apart_in_every_container(container: str, codec: str, bit_rate: int, expected: str) -> None:
    data = encoded_by_av(call(48_000, 2), container, codec, 48_000, bit_rate)
    assert_heard(decode(data, "call"), expected, channels=2)


@pytest.mark.parametrize(("encoding", "subtype"), [("alaw", "ALAW"), ("mulaw", "ULAW")])
def test_a_headerless_recording_is_read_as_the_setting_says(encoding: Literal["alaw", "mulaw"], subtype: str) -> None:
    data = by_sndfile(call(), 8_000, "RAW", subtype)
    limits = DecodeLimits(raw_encoding=encoding)
    assert_heard(decode(data, "CALL.RAW", limits), f"RAW/{subtype}")


def test_headerless_silence_is_no_text_although_it_looks_like_one() -> None:
    recording = decode(b"\xd5" * 8_000, "call.alaw", DecodeLimits(raw_encoding="alaw"))
    assert recording.duration_ms == 1_000


@pytest.mark.parametrize(
    ("name", "limits", "data"),
    [
        ("call.alaw", DecodeLimits(), bytes(range(256)) * 32),
        ("call.wav", DecodeLimits(raw_encoding="alaw"), bytes(range(256)) * 32),
        ("call.alaw", DecodeLimits(raw_encoding="alaw"), b"PK\x03\x04" + bytes(1_000)),
    ],
)
def test_nothing_is_taken_for_a_headerless_recording_that_was_not_said_to_be_one(
    name: str, limits: DecodeLimits, data: bytes
) -> None:
    with pytest.raises(Undecodable):
        decode(data, name, limits)


def test_a_recording_in_a_headerless_file_s_name_is_still_what_its_bytes_say() -> None:
    data = synth.encoded(call(), "ulaw")
    assert_heard(decode(data, "call.raw", DecodeLimits(raw_encoding="alaw")), "WAV/ULAW")


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (lambda: encoded_by_av(call(), "ipod", "aac", 8_000, 24_000), {"bad_header"}),
        (lambda: encoded_by_av(call(48_000), "webm", "libopus", 48_000, 24_000), {"bad_header", "truncated"}),
        (lambda: encoded_by_av(call(16_000), "asf", "wmav2", 16_000, 32_000), {"bad_header", "truncated", "damaged"}),
        (lambda: encoded_by_av(call(16_000), "wav", "g722", 16_000), {"bad_header", "truncated"}),
        (lambda: by_sndfile(call(), 8_000, "AIFF", "PCM_16"), {"bad_header", "truncated"}),
        (lambda: by_sndfile(call(), 8_000, "AU", "ULAW"), {"bad_header", "truncated"}),
    ],
)
def test_a_file_that_tells_its_length_and_is_cut_anywhere_says_so(make: Callable[[], bytes], reasons: set[str]) -> None:
    whole, seen = make(), set[str]()
    for end in range(12, int(0.8 * len(whole)), len(whole) // 40):
        try:
            recording = decode(whole[:end], "cut")
        except Undecodable as problem:
            seen.add(problem.reason)
            continue
        assert "truncated" in recording.warnings
        assert recording.channels[0].any()
    assert seen <= reasons

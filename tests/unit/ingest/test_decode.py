import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from examples import synth
from ringtrue.settings import IngestSettings
from services.ingest.audio.decode import DEFAULT_LIMITS, DecodeLimits, Undecodable, decode

AUDIO = Path(__file__).parents[2] / "data" / "audio"
SECOND = synth.tone([425], 1000)


def refused(data: bytes, name: str = "2026/11/call.wav", limits: DecodeLimits = DEFAULT_LIMITS) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        decode(data, name, limits)
    assert caught.value.message.startswith(f"{name}: ")
    return caught.value


def patched(data: bytes, at: int, value: int, layout: str = "<I") -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def wave(encoding: str, sound: synth.Sound = SECOND, rate_hz: int = 8_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, rate_hz, format="WAV", subtype=encoding)
    return file.getvalue()


@pytest.mark.parametrize(
    ("encoding", "tolerance"),
    [
        ("PCM_16", 2),
        ("PCM_24", 2),
        ("PCM_32", 2),
        ("FLOAT", 2),
        ("DOUBLE", 2),
        ("PCM_U8", 300),
        ("ULAW", 300),
        ("ALAW", 300),
        ("IMA_ADPCM", 900),
        ("GSM610", 3_000),
    ],
)
def test_every_wav_encoding_gives_the_sound_that_went_in(encoding: str, tolerance: int) -> None:
    recording = decode(wave(encoding), "call.wav")
    assert (recording.codec, recording.rate_hz, recording.warnings) == (f"WAV/{encoding}", 8_000, ())
    assert recording.channels[0].dtype == np.int16
    difference = recording.channels[0][400:7_600] - np.rint(SECOND[400:7_600] * 32_768)
    assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize(("codec", "name"), [("flac", "FLAC/PCM_16"), ("vorbis", "OGG/VORBIS"), ("opus", "OGG/OPUS")])
def test_compressed_files_are_decoded_whole_whatever_they_are_called(codec: str, name: str) -> None:
    recording = decode(synth.encoded(np.tile(SECOND, 3), codec), "call.wav")
    assert (recording.codec, recording.duration_ms, recording.warnings) == (name, 3_000, ())


def test_mp3_comes_out_as_one_decoding_would_give_it() -> None:
    data = synth.encoded(synth.vowels(5_000, 1), "mp3")
    recording = decode(data, "call.mp3")
    at_once, _ = soundfile.read(io.BytesIO(data))
    assert (recording.codec, recording.warnings) == ("MP3/MPEG_LAYER_III", ())
    assert np.abs(recording.channels[0] - np.clip(at_once * 32_768, -32_768, 32_767)).max() <= 1


def test_an_rf64_file_is_a_wav_file() -> None:
    file = io.BytesIO()
    soundfile.write(file, SECOND, 8_000, format="RF64", subtype="PCM_16")
    assert decode(file.getvalue(), "long.wav").codec == "RF64/PCM_16"


def test_a_stereo_recording_keeps_its_channels_apart() -> None:
    recording = decode((AUDIO / "stereo_diarization.wav").read_bytes(), "stereo.wav")
    assert (recording.rate_hz, len(recording.channels)) == (16_000, 2)
    left, right = recording.channels
    assert not np.array_equal(left, right)


def test_other_rates_become_16_khz_and_the_file_s_own_rate_is_told() -> None:
    recording = decode(wave("PCM_16", synth.tone([425], 2_000, rate_hz=44_100), 44_100), "call.wav")
    assert (recording.rate_hz, recording.source_rate_hz, recording.duration_ms) == (16_000, 44_100, 2_000)
    spectrum = np.abs(np.fft.rfft(recording.channels[0]))
    assert np.argmax(spectrum) == 850  # 425 Hz in 2 s


def test_of_more_than_two_channels_the_first_two_are_used_with_a_warning() -> None:
    recording = decode(wave("PCM_16", np.stack([SECOND] * 3, 1)), "call.wav")
    assert (len(recording.channels), recording.source_channels, recording.warnings) == (2, 3, ("extra_channels",))


def test_samples_that_are_no_numbers_are_silence_with_a_warning() -> None:
    sound = SECOND.copy()
    sound[100:200] = np.nan
    sound[300] = np.inf
    recording = decode(wave("FLOAT", sound), "call.wav")
    assert recording.warnings == ("not_finite",)
    assert not recording.channels[0][100:200].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_file_of_samples_that_are_no_numbers_is_undecodable_and_never_silent(value: float) -> None:
    sound = np.zeros(8_000)
    sound[::10] = value
    problem = refused(wave("FLOAT", sound))
    assert problem.reason == "not_finite"
    assert "800 of its samples" in problem.message


@pytest.mark.parametrize("codec", sorted(synth.CODECS))
def test_a_file_cut_in_half_gives_what_is_there_with_a_warning(codec: str) -> None:
    whole = synth.encoded(synth.vowels(10_000, 1), codec)
    recording = decode(whole[: len(whole) // 2], "cut")
    assert recording.warnings == ("truncated",)
    assert 1_000 < recording.duration_ms < 7_500


@pytest.mark.parametrize("codec", sorted(synth.CODECS))
def test_a_file_cut_anywhere_is_either_decoded_with_a_warning_or_refused(codec: str) -> None:
    whole = synth.encoded(synth.vowels(1_000, 1), codec)
    reasons = set[str]()
    for end in range(1, len(whole), max(1, len(whole) // 100)):
        try:
            recording = decode(whole[:end], "cut")
        except Undecodable as problem:
            reasons.add(problem.reason)
            continue
        assert len(recording.channels[0])
        # An MP3 tells its length to within two frames, 144 ms.
        assert "truncated" in recording.warnings or (codec == "mp3" and end > 0.7 * len(whole))
    assert reasons <= {"truncated", "bad_header", "text", "unknown_format"}


def test_a_header_that_claims_4_gb_over_16_kb_gives_what_is_there_with_a_warning() -> None:
    recording = decode(patched(wave("PCM_16"), 40, 0xFFFF_FFFF), "call.wav")
    assert (recording.duration_ms, recording.warnings) == (1_000, ("truncated",))


def test_a_wav_that_its_recorder_never_closed_is_decoded_with_a_warning() -> None:
    recording = decode(patched(wave("ULAW"), 54, 0), "call.wav")
    assert (recording.duration_ms, recording.warnings) == (1_000, ("size_unset",))


@pytest.mark.parametrize("rate_hz", [0, 1, 100_000_000, 0xFFFF_FFFF])
def test_an_absurd_rate_is_undecodable_and_not_silent(rate_hz: int) -> None:
    problem = refused(patched(wave("PCM_16"), 24, rate_hz))
    assert problem.reason == "implausible_rate"
    assert f"{rate_hz:,}" in problem.message


@pytest.mark.parametrize("channels", [0, 9, 1_000, 65_535])
def test_an_absurd_number_of_channels_is_undecodable(channels: int) -> None:
    problem = refused(patched(wave("PCM_16"), 22, channels, "<H"))
    assert problem.reason == "implausible_channels"
    assert f"{channels:,} channels" in problem.message


def test_an_empty_file_is_refused_as_empty() -> None:
    problem = refused(b"")
    assert problem.reason == "empty"
    assert "0 bytes" in problem.message


@pytest.mark.parametrize("magic", [b"RIFF", b".snd", b"fLaC", b"OggS", b"ID3", b"#!AMR", b"\x1aE\xdf\xa3", b"FORM"])
def test_magic_bytes_alone_are_refused(magic: bytes) -> None:
    assert refused(magic).reason in {"bad_header", "truncated", "no_samples", "text", "unknown_format"}


@pytest.mark.parametrize(
    "text",
    [
        b"ffconcat version 1.0\nfile secret.wav\n",
        b"#EXTM3U\nhttp://elsewhere.example/a.ts\n",
        "Réunion à 14 h, salle é\n".encode(),
        "Réunion à 14 h\n".encode("cp1252"),
        "Bonjour\r\n".encode("utf-16"),
        ("é" * 300).encode(),  # a character lies across the end of what is looked at
    ],
)
def test_a_text_file_called_wav_is_told_to_be_a_text_file(text: bytes) -> None:
    problem = refused(text)
    assert problem.reason == "text"
    assert "text file" in problem.message
    assert "FLAC" in problem.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04" + bytes(60), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(60), "gzip"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "JPEG"),
        (bytes(range(1, 256)), "no known audio format"),
    ],
)
def test_an_unknown_container_names_itself_if_it_can_and_what_is_understood(data: bytes, words: str) -> None:
    message = refused(data).message
    assert words in message
    assert "Understood are WAV" in message


@pytest.mark.parametrize("codec", ["pcm16", "ulaw", "vorbis"])
def test_a_file_without_samples_is_undecodable_and_never_silent(codec: str) -> None:
    assert refused(synth.encoded(np.zeros(0), codec)).reason in {"no_samples", "truncated", "bad_header"}


def test_what_a_file_may_cost_is_set() -> None:
    ingest = IngestSettings(max_hours=0.5, decode_cpu_s=7, decode_wall_s=9, decode_memory_mb=300, raw_encoding="mulaw")
    limits = DecodeLimits.of(ingest)
    assert (limits.max_seconds, limits.cpu_seconds, limits.wall_seconds, limits.memory_mb) == (1_800, 7, 9, 300)
    assert limits.raw_encoding == "mulaw"


def test_a_bomb_is_stopped_at_the_bound_whatever_its_header_says() -> None:
    hour = synth.encoded(np.zeros(3600 * 8_000, np.int16), "flac")
    assert len(hour) < 1_000_000
    lying = hour[:21] + (int.from_bytes(hour[21:26], "big") & ~0xF_FFFF_FFFF | 8_000).to_bytes(5, "big") + hour[26:]
    for data in (hour, lying):
        problem = refused(data, limits=DecodeLimits(max_seconds=60))
        assert problem.reason == "too_long"
        assert "RINGTRUE_INGEST__MAX_HOURS" in problem.message

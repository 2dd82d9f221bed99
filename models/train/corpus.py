"""Synthetic telephone speech for the demonstration model: espeak-ng voices through telephone codecs, as features.

`segment` makes one labelled piece of a call from a seed: one or several sentences, one or two voices in turn, pauses,
level, band, noise, sometimes the end of a ringback before, then a codec's round trip. `make` does that for a whole set
in two processes and keeps the features (by the engine's own front end) in half precision, which is all training reads.
"""

from __future__ import annotations

import argparse
import io
import random
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import gcd
from pathlib import Path

import numpy as np
import sentences
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

Wave = NDArray[np.float32]

LANGUAGES = ["fr", "fr", "fr-be", "fr-ch"]
VOICES = [
    "", "m1", "m2", "m4", "m6", "m7", "m8", "f1", "f3", "f4", "klatt", "klatt2", "klatt4", "steph", "steph2",
    "Alex", "Alicia", "Andy", "Annie", "antonio", "aunty", "belinda", "benjamin", "caleb", "david", "Denis",
    "Diogo", "ed", "edward", "Gene", "gustave", "Henrique", "Jacky", "john", "Lee", "linda", "marcelo", "Marco",
    "Mario", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert",
    "sandro", "shelby", "travis", "victor", "zac", "anika",
]  # fmt: skip
#: Never trained on.
TEST_VOICES = ["f2", "f5", "m3", "m5", "klatt3", "steph3", "Andrea", "Michael", "Hugo"]

#: What libsndfile calls each codec: (container, subtype).
CODECS: dict[str, tuple[str, str] | None] = {
    "none": None,
    "mu-law": ("WAV", "ULAW"),
    "a-law": ("WAV", "ALAW"),
    "gsm": ("WAV", "GSM610"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
CODEC_WEIGHTS = [20, 20, 20, 18, 14, 8]
#: The end of a ring that the cut left before the speech.
RINGBACK_HZ = 425
WIDEBAND_SHARE = 0.08
RANDOM_SHARE = 0.35
LONGEST_S = 21.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A labelled segment: float32 samples at `rate_hz`."""

    samples: Wave
    rate_hz: int
    text: str
    codec: str


def speak(text: str, voice: str, speed: int, pitch: int) -> tuple[Wave, int]:
    """What espeak-ng says: mono float32 and its rate."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    # The header of a stream holds no true length, so the samples are read past it.
    rate_hz = int.from_bytes(spoken[24:28], "little")
    return np.frombuffer(spoken[44:], "<i2").astype(np.float32) / np.float32(32768), rate_hz


def round_trip(samples: Wave, rate_hz: int, codec: str) -> Wave:
    """The samples as a codec gives them back (same rate, same length or a little more)."""
    form = CODECS[codec]
    if form is None:
        return np.round(samples * 32767).astype(np.float32) / np.float32(32768)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=form[0], subtype=form[1])
    buffer.seek(0)
    heard, _ = soundfile.read(buffer, dtype="float32")
    return np.asarray(heard, np.float32)


def segment(
    seed: str,
    *,
    held_out_sentences: bool = False,
    held_out_voices: bool = False,
    codec: str | None = None,
    rate_hz: int | None = None,
    random_share: float = RANDOM_SHARE,
    most_turns: int = 7,
    accept: Callable[[str], bool] = bool,
) -> Piece:
    """One labelled segment, the same for the same seed.

    Args:
        seed: anything; decides all that is not given.
        held_out_sentences: takes sentences of templates that are never trained on.
        held_out_voices: takes voices that are never trained on.
        codec: one of `CODECS`.
        rate_hz: 8000 or 16000.
        random_share: how many of the sentences are random words (or, in training, fragments), 0..1.
        most_turns: how many sentences at most.
        accept: draws sentences until it takes one.
    """
    rng = random.Random(seed)
    noise_source = np.random.default_rng(rng.getrandbits(64))
    if rate_hz is None:
        rate_hz = 16_000 if rng.random() < WIDEBAND_SHARE else 8_000
    if codec is None:
        codec = rng.choices(list(CODECS), CODEC_WEIGHTS)[0]
    if codec == "gsm" and rate_hz != 8_000:
        codec = "none"
    speakers = [_speaker(rng, held_out=held_out_voices) for _ in range(2)]
    turns = min(most_turns, rng.choices([1, 2, 3, 4, 5, 7], [50, 24, 12, 7, 4, 3])[0])
    parts: list[Wave] = [_silence(rng, rate_hz, 1.0)]
    if rng.random() < 0.06:
        parts = [_ringback(rng, rate_hz), _silence(rng, rate_hz, 0.6)]
    words: list[str] = []
    length = 0
    for turn in range(turns):
        text = _sentence(rng, random_share, held_out=held_out_sentences)
        while not accept(sentences.label(text)):
            text = _sentence(rng, random_share, held_out=held_out_sentences)
        voice, speed, pitch, gain = speakers[turn % 2 if rng.random() < 0.8 else 0]
        wave, from_hz = speak(text, voice, speed, pitch)
        wave = _scaled(_at_rate(wave, from_hz, rate_hz), gain)
        length += len(wave)
        if turn and length > LONGEST_S * rate_hz:
            break
        parts += [wave, _silence(rng, rate_hz, 2.0 if rng.random() < 0.3 else 0.6)]
        words.append(sentences.label(text))
    samples = np.concatenate(parts)
    if rate_hz == 8_000 and rng.random() < 0.4:
        band = butter(4, [rng.uniform(150, 320), rng.uniform(3200, 3700)], "bandpass", fs=rate_hz, output="sos")
        samples = np.asarray(sosfilt(band, samples), np.float32)
    samples = _scaled(samples, rng.uniform(-30, 0) if rng.random() < 0.6 else -6.0)
    if rng.random() < 0.6:
        samples = _noisy(samples, rng.uniform(20, 45), noise_source, coloured=rng.random() < 0.5)
    samples = round_trip(np.clip(samples, -1, 1).astype(np.float32), rate_hz, codec)
    return Piece(samples, rate_hz, " ".join(words), codec)


def make(folder: Path, count: int, name: str, random_share: float, most_turns: int, workers: int = 2) -> None:
    """`count` training segments as features: `folder/name-*.npz`, a thousand in each."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, count, 1000)
    with ProcessPoolExecutor(workers) as pool:
        for path in pool.map(partial(_shard, folder, name, count, random_share, most_turns), starts):
            print(path, flush=True)


def _shard(folder: Path, name: str, count: int, random_share: float, most_turns: int, start: int) -> Path:
    import torch

    from services.asr import frontend

    torch.set_num_threads(1)
    features: list[NDArray[np.float16]] = []
    texts: list[str] = []
    for index in range(start, min(start + 1000, count)):
        piece = segment(f"{name}-{index}", random_share=random_share, most_turns=most_turns)
        heard = frontend.log_mel(frontend.resample(piece.samples, piece.rate_hz))
        features.append(heard.numpy().astype(np.float16))
        texts.append(piece.text)
    path = folder / f"{name}-{start // 1000:03d}.npz"
    partial_path = path.with_suffix(".part.npz")
    np.savez(partial_path, features=np.concatenate(features), frames=[len(f) for f in features], texts=texts)
    return partial_path.rename(path)


def _sentence(rng: random.Random, random_share: float, *, held_out: bool) -> str:
    if rng.random() < random_share:
        return sentences.random_words(rng) if held_out or rng.random() < 0.5 else sentences.fragments(rng)
    text = sentences.domain_sentence(rng, held_out=held_out)
    return text if rng.random() < 0.7 else sentences.label(text)


def _speaker(rng: random.Random, *, held_out: bool) -> tuple[str, int, int, float]:
    variant = rng.choice(TEST_VOICES if held_out else VOICES)
    voice = rng.choice(LANGUAGES) + (f"+{variant}" if variant else "")
    return voice, rng.randint(130, 190), rng.randint(30, 70), rng.uniform(-6, 0)


def _at_rate(wave: Wave, from_hz: int, rate_hz: int) -> Wave:
    shared = gcd(from_hz, rate_hz)
    return np.asarray(resample_poly(wave, rate_hz // shared, from_hz // shared), np.float32)


def _scaled(wave: Wave, peak_db: float) -> Wave:
    peak = float(np.abs(wave).max(initial=1e-6))
    return np.asarray(wave * (10 ** (peak_db / 20) * 0.98 / peak), np.float32)


def _silence(rng: random.Random, rate_hz: int, longest_s: float) -> Wave:
    return np.zeros(int(rng.uniform(0.03, longest_s) * rate_hz), np.float32)


def _ringback(rng: random.Random, rate_hz: int) -> Wave:
    time_s = np.arange(int(rng.uniform(0.1, 0.8) * rate_hz)) / rate_hz
    return np.asarray(rng.uniform(0.1, 0.6) * np.sin(2 * np.pi * RINGBACK_HZ * time_s), np.float32)


def _noisy(wave: Wave, snr_db: float, source: np.random.Generator, *, coloured: bool) -> Wave:
    noise = source.standard_normal(len(wave))
    if coloured:
        noise = sosfilt(butter(1, 0.1, output="sos"), noise)
    power = float(np.mean(np.square(wave))) / 10 ** (snr_db / 10)
    return np.asarray(wave + noise * np.sqrt(power / np.mean(np.square(noise))), np.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "work" / "corpus")
    parser.add_argument("--count", type=int, default=12_000)
    parser.add_argument("--name", default="train")
    parser.add_argument("--random-share", type=float, default=RANDOM_SHARE, help="of sentences that are random words")
    parser.add_argument("--most-turns", type=int, default=7, help="sentences in one segment")
    arguments = parser.parse_args()
    make(arguments.folder, arguments.count, arguments.name, arguments.random_share, arguments.most_turns)

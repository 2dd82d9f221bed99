"""Synthetic telephone speech for the demonstration model: espeak-ng voices through telephone codecs, as features.

`segment` makes one labelled piece of a call from a seed: one or several sentences, one or two voices in turn, pauses,
level, band, noise (`line.py`), sometimes ringback before, then a codec's round trip. `make` does that for a whole set
in two processes and keeps the features (by the engine's own front end, not normalised yet) in half precision. `noises`
makes what training mixes into them: other noise each time that a segment is heard.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import gcd
from pathlib import Path

import features
import line
import numpy as np
import sentences
import soundfile
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from services.asr.audio import resample
from services.asr.ctc import logmel

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
WIDEBAND_SHARE = 0.08
RANDOM_SHARE = 0.35
RINGBACK_SHARE = 0.15
NOISE_SHARE = 0.4
LONGEST_S = 15.0
#: Segments to train on, and how many one shard holds.
COUNT = 36_000
SHARD = 1_000

#: Clips of noise of each rate, and their length.
NOISE_CLIPS = {8_000: 160, 16_000: 32}
NOISE_CLIP_S = 16.0

#: Stress marks, liaison bars and the like in espeak-ng's phonemes.
_NO_SOUND = re.compile(r"[',%=|:;_-]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A labelled segment: float32 samples at `rate_hz`; `sounds` are espeak-ng's phonemes, apart by spaces."""

    samples: Wave
    rate_hz: int
    text: str
    sounds: str
    codec: str


def speak(text: str, voice: str, speed: int, pitch: int) -> tuple[Wave, int, str]:
    """What espeak-ng says: mono float32, its rate, and its phonemes apart by spaces."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as phonemes:
        command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-x", "--sep= ", "--stdout"]
        command += [f"--phonout={phonemes.name}", text]
        spoken = subprocess.run(command, capture_output=True, check=True).stdout
        sounds = " ".join(_NO_SOUND.sub("", phonemes.read()).split())
    # The header of a stream holds no true length, so the samples are read past it.
    rate_hz = int.from_bytes(spoken[24:28], "little")
    return np.frombuffer(spoken[44:], "<i2").astype(np.float32) / np.float32(32768), rate_hz, sounds


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
    ringback_share: float = RINGBACK_SHARE,
    noise: tuple[str, float] | None = None,
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
        ringback_share: how many segments have some ringback before the speech, 0..1.
        noise: one of `line.NOISES` and its level, as the signal's distance from it in dB; by chance if not given.
        accept: draws sentences until it takes one.
    """
    rng = random.Random(seed)
    source = np.random.default_rng(rng.getrandbits(64))
    drawn_rate_hz = 16_000 if rng.random() < WIDEBAND_SHARE else 8_000
    drawn_codec = rng.choices(list(CODECS), CODEC_WEIGHTS)[0]
    rate_hz, codec = rate_hz or drawn_rate_hz, codec or drawn_codec
    if codec == "gsm" and rate_hz != 8_000:
        codec = "none"
    speakers = [_speaker(rng, held_out=held_out_voices) for _ in range(2)]
    turns = min(most_turns, rng.choices([1, 2, 3, 4, 5, 7], [58, 24, 10, 4, 3, 1])[0])
    parts: list[Wave] = [_silence(rng, rate_hz, 1.0)]
    if rng.random() < ringback_share:
        parts = [*line.ringback(rng, rate_hz), _silence(rng, rate_hz, 1.2)]
    said: list[Wave] = []
    words: list[str] = []
    sounds: list[str] = []
    for turn in range(turns):
        text = _sentence(rng, random_share, held_out=held_out_sentences)
        while not accept(sentences.label(text)):
            text = _sentence(rng, random_share, held_out=held_out_sentences)
        voice, speed, pitch, gain = speakers[turn % 2 if rng.random() < 0.8 else 0]
        wave, from_hz, heard_as = speak(text, voice, speed, pitch)
        wave = line.scaled(_at_rate(wave, from_hz, rate_hz), gain)
        if turn and sum(map(len, [*said, wave])) > LONGEST_S * rate_hz:
            break
        said.append(wave)
        parts += [wave, _silence(rng, rate_hz, 2.0 if rng.random() < 0.3 else 0.6)]
        words.append(sentences.label(text))
        sounds.append(heard_as)
    samples = np.concatenate(parts)
    if rate_hz == 8_000 and rng.random() < 0.4:
        samples = line.band_limited(samples, rng.uniform(150, 320), rng.uniform(3200, 3700), rate_hz)
    if noise is None and rng.random() < NOISE_SHARE:
        noise = (rng.choices(list(line.NOISES), line.NOISE_WEIGHTS)[0], rng.triangular(5, 40, 12))
    if noise is not None:
        samples = line.noisy(samples, np.concatenate(said), noise, rate_hz, rng, source)
    samples = line.scaled(samples, rng.uniform(-30, 0) if rng.random() < 0.6 else -6.0)
    samples = round_trip(np.clip(samples, -1, 1).astype(np.float32), rate_hz, codec)
    return Piece(samples, rate_hz, " ".join(words), " ".join(sounds), codec)


def make(folder: Path, count: int, workers: int = 2) -> None:
    """`count` training segments as features, a thousand in each shard; shards that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = [start for start in range(0, count, SHARD) if not shard_path(folder, start).exists()]
    sentences.distinct_words()
    if not noise_path(folder).exists():
        noises(folder)
    begun = time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        for done, path in enumerate(pool.map(partial(_shard, folder, count), starts), 1):
            minutes = (time.monotonic() - begun) / 60
            print(f"{path.name} {minutes:.1f} min, {minutes / done * (len(starts) - done):.1f} to go", flush=True)


def noises(folder: Path) -> None:
    """Makes the clips of noise: energies [clips, frames, 80] of unit power, and the rate of each."""
    clips, rates = [], []
    for rate_hz, count in NOISE_CLIPS.items():
        for number in range(count):
            rng = random.Random(f"noise-{rate_hz}-{number}")
            kind = rng.choices(list(line.NOISES), line.NOISE_WEIGHTS)[0]
            samples = line.noise(
                kind, int(NOISE_CLIP_S * rate_hz), rate_hz, rng, np.random.default_rng(rng.getrandbits(64))
            )
            energies = logmel.energies(resample((0.1 * samples / samples.std()).astype(np.float32), rate_hz)).numpy()
            clips.append(energies - np.log(features.powers(energies).mean()))
            rates.append(rate_hz)
    path = noise_path(folder)
    with path.with_suffix(".part").open("wb") as file:
        np.savez(file, energies=np.stack(clips).astype(np.float16), rates=np.array(rates))
    path.with_suffix(".part").rename(path)


def noise_path(folder: Path) -> Path:
    """Where the clips of noise are."""
    return folder / "noises.npz"


def shard_path(folder: Path, start: int) -> Path:
    """Where the labels of a shard are; its features lie beside them."""
    return folder / f"{start // SHARD:03d}.json"


def _shard(folder: Path, count: int, start: int) -> Path:
    torch.set_num_threads(1)
    stored: list[NDArray[np.float16]] = []
    means: list[list[float]] = []
    pieces: list[Piece] = []
    for index in range(start, min(start + SHARD, count)):
        # Every fourth segment is short sentences of words without order: sounds, rather than phrases.
        share, turns = (0.85, 2) if index % 4 == 0 else (0.15, 7)
        piece = segment(f"train-{index}", random_share=share, most_turns=turns)
        energies = logmel.energies(resample(piece.samples, piece.rate_hz)).numpy()
        # Half precision is finer about nought.
        mean = energies.mean(axis=0)
        stored.append((energies - mean).astype(np.float16))
        means.append(mean.tolist())
        pieces.append(piece)
    path = shard_path(folder, start)
    np.save(path.with_suffix(".npy"), np.concatenate(stored))
    labels = {
        "frames": [len(some) for some in stored],
        "means": means,
        "rates": [p.rate_hz for p in pieces],
        "texts": [p.text for p in pieces],
        "sounds": [p.sounds for p in pieces],
    }
    partial_path = path.with_suffix(".part")
    partial_path.write_text(json.dumps(labels, ensure_ascii=False), "utf-8")
    return partial_path.rename(path)


def _sentence(rng: random.Random, random_share: float, *, held_out: bool) -> str:
    if rng.random() < random_share:
        return (
            sentences.random_words(rng, agreed=not held_out)
            if held_out or rng.random() < 0.5
            else sentences.fragments(rng)
        )
    text = sentences.domain_sentence(rng, held_out=held_out)
    return text if rng.random() < 0.7 else sentences.label(text)


def _speaker(rng: random.Random, *, held_out: bool) -> tuple[str, int, int, float]:
    variant = rng.choice(TEST_VOICES if held_out else VOICES)
    voice = rng.choice(LANGUAGES) + (f"+{variant}" if variant else "")
    return voice, rng.randint(130, 190), rng.randint(30, 70), rng.uniform(-6, 0)


def _at_rate(wave: Wave, from_hz: int, rate_hz: int) -> Wave:
    shared = gcd(from_hz, rate_hz)
    return np.asarray(resample_poly(wave, rate_hz // shared, from_hz // shared), np.float32)


def _silence(rng: random.Random, rate_hz: int, longest_s: float) -> Wave:
    return np.zeros(int(rng.uniform(0.03, longest_s) * rate_hz), np.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "work" / "corpus")
    parser.add_argument("--count", type=int, default=COUNT)
    arguments = parser.parse_args()
    make(arguments.folder, arguments.count)

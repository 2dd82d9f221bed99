"""The corpus as training reads it: features that stay on the disk until they are needed, labels, batches, masks."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import corpus
import numpy as np
import tokens
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.asr.audio import resample
from services.asr.ctc import logmel

#: espeak-ng's French phonemes, and some foreign ones that it says in names and borrowed words.
PHONEMES = (
    *("@", "A~", "E", "E~", "O", "O~", "S", "W", "W~", "Y", "Z", "a", "aI", "b", "d", "e", "f", "g", "i", "j", "k"),
    *("l", "m", "n", "n^", "o", "p", "r", "s", "t", "u", "v", "w", "y", "z"),
)
#: What sounds the same: consonants of a liaison, and the English vowel of "box".
SAME = {"z2": "z", "t2": "t", "p2": "p", "0": "O"}


@dataclass(frozen=True, slots=True)
class Example:
    """Features in half precision [frames, 80], what was said, and both targets by number."""

    features: NDArray[np.float16]
    text: str
    tokens: list[int]
    phonemes: list[int]

    @property
    def positions(self) -> int:
        """Length in the model's positions of 20 ms."""
        return math.ceil(len(self.features) / logmel.STRIDE)


@dataclass(frozen=True, slots=True)
class Batch:
    """Features [segments, positions, 160], positions of each segment, and the targets one after the other."""

    features: Tensor
    lengths: Tensor
    tokens: Tensor
    token_counts: Tensor
    phonemes: Tensor
    phoneme_counts: Tensor


def load(folder: Path) -> list[Example]:
    """Every segment that `corpus.py` has made; phoneme 0 is the blank."""
    shards = [(path, json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.json"))]
    number = {sound: index for index, sound in enumerate(PHONEMES, 1)}
    examples = []
    for path, shard in shards:
        stored = np.load(path.with_suffix(".npy"), mmap_mode="r")
        pieces = np.split(stored, np.cumsum(shard["frames"])[:-1])
        for piece, text, sounds in zip(pieces, shard["texts"], shard["sounds"], strict=True):
            heard = [SAME.get(sound, sound) for sound in sounds.split()]
            phonemes = [number[sound] for sound in heard if sound in number]
            examples.append(Example(piece, text, tokens.encode(text), phonemes))
    return examples


def monitor_set(count: int) -> list[Example]:
    """Unseen templates and voices, to watch the training; the measured test set is another (`evaluate.py`)."""
    examples = []
    for index in range(count):
        piece = corpus.segment(f"monitor-{index}", held_out_sentences=True, held_out_voices=True, random_share=0.0)
        heard = logmel.log_mel(resample(piece.samples, piece.rate_hz))
        examples.append(Example(heard.numpy().astype(np.float16), piece.text, [], []))
    return examples


def batches(
    examples: Sequence[Example], positions: int, together: int, rng: random.Random
) -> list[tuple[list[Example], ...]]:
    """One epoch in random order: for every step `together` batches of so many positions, all of like length."""
    ordered = sorted(examples, key=lambda e: e.positions * rng.uniform(0.92, 1.08))
    groups: list[list[Example]] = [[]]
    longest = 0
    for example in ordered:
        longest = max(longest, example.positions)
        if groups[-1] and longest * (len(groups[-1]) + 1) > positions:
            groups.append([])
            longest = example.positions
        groups[-1].append(example)
    steps = list(zip(*[iter(groups)] * together, strict=False))
    rng.shuffle(steps)
    return steps


def batch(examples: Sequence[Example], rng: random.Random | None) -> Batch:
    """Pads and joins; with `rng` some of what is heard is masked (SpecAugment)."""
    # The engine's mask is that of a position's second frame: an odd last one is left out.
    lengths = [len(e.features) // logmel.STRIDE for e in examples]
    longest = max(lengths)
    features = torch.zeros(len(examples), longest * logmel.STRIDE, logmel.MELS)
    for row, example in enumerate(examples):
        frames = lengths[row] * logmel.STRIDE
        one = features[row, :frames]
        one.copy_(torch.from_numpy(np.array(example.features[:frames])))
        if rng is not None:
            _mask(one, rng)
    joined: Any = logmel.STRIDE * logmel.MELS
    return Batch(
        features.reshape(len(examples), longest, joined),
        torch.tensor(lengths),
        torch.tensor([token for e in examples for token in e.tokens]),
        torch.tensor([len(e.tokens) for e in examples]),
        torch.tensor([sound for e in examples for sound in e.phonemes]),
        torch.tensor([len(e.phonemes) for e in examples]),
    )


def _mask(features: Tensor, rng: random.Random) -> None:
    """SpecAugment in place on [frames, 80]: at most two mel bands and a few short spans are set to the mean."""
    for _ in range(rng.randint(0, 2)):
        low, width = rng.randrange(logmel.MELS), rng.randint(1, 12)
        features[:, low : low + width] = 0
    for _ in range(int(len(features) / 120 * rng.uniform(0, 1.0))):
        begin = rng.randrange(len(features))
        features[begin : begin + rng.randint(2, 12)] = 0

"""The corpus as training reads it: features that stay on the disk until they are needed, labels, batches, masks."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import corpus
import numpy as np
import tokens
import torch
from features import STACK, Variety
from numpy.typing import NDArray
from torch import Tensor, nn

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
    """A segment.

    Attributes:
        energies: What was heard, in half precision about its mean [frames, 80].
        mean: Of each band [80].
        rate_hz: The recording's.
        text: What was said.
        tokens: The same by number.
        phonemes: How it sounds, by number.
    """

    energies: NDArray[np.float16]
    mean: NDArray[np.float32]
    rate_hz: int
    text: str
    tokens: list[int]
    phonemes: list[int]

    @property
    def positions(self) -> int:
        """Length in the model's positions, all of which the engine's mask keeps."""
        return STACK.kept(len(self.energies))


@dataclass(frozen=True, slots=True)
class Batch:
    """Features [segments, positions, 320], positions of each segment, and the targets one after the other."""

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
        means = np.array(shard["means"], np.float32)
        for piece, mean, rate_hz, text, sounds in zip(
            pieces, means, shard["rates"], shard["texts"], shard["sounds"], strict=True
        ):
            heard = [SAME.get(sound, sound) for sound in sounds.split()]
            phonemes = [number[sound] for sound in heard if sound in number]
            examples.append(Example(piece, mean, rate_hz, text, tokens.encode(text), phonemes))
    return examples


def monitor_set(count: int, snr_db: float | None = None) -> list[Example]:
    """Unseen templates and voices, to watch the training; the measured test set is another (`evaluate.py`)."""
    examples = []
    for index in range(count):
        piece = corpus.segment(
            f"monitor-{index}",
            held_out_sentences=True,
            held_out_voices=True,
            random_share=0.0,
            noise=None if snr_db is None else ("white" if index % 2 else "coloured", snr_db),
        )
        energies = logmel.energies(resample(piece.samples, piece.rate_hz)).numpy()
        mean = energies.mean(axis=0)
        examples.append(Example((energies - mean).astype(np.float16), mean, piece.rate_hz, piece.text, [], []))
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


def batch(examples: Sequence[Example], variety: Variety | None) -> Batch:
    """Pads and joins; with `variety` each is heard as never before."""
    lengths = [e.positions for e in examples]
    heard = []
    for index, example in enumerate(examples):
        energies = torch.from_numpy(example.energies.astype(np.float32) + example.mean)
        if variety is None:
            one = logmel.normalised(energies)
        else:
            one = variety.heard(energies, example.rate_hz)
            lengths[index] = STACK.kept(len(one))
        heard.append(STACK.stacked(one)[: lengths[index]])
    return Batch(
        nn.utils.rnn.pad_sequence(heard, batch_first=True),
        torch.tensor(lengths),
        torch.tensor([token for e in examples for token in e.tokens]),
        torch.tensor([len(e.tokens) for e in examples]),
        torch.tensor([sound for e in examples for sound in e.phonemes]),
        torch.tensor([len(e.phonemes) for e in examples]),
    )

"""The CTC engine: a `Wav2Vec2BertForCTC` checkpoint over batches of segments of like length.

Text is what the Hugging Face reference gives for each segment alone in float32, whatever segments share its batch: the
mask goes with the batch, and each segment is decoded over its own positions only (the reference pipeline decodes the
padding too, and so adds junk to the end of shorter segments).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from services.asr import frontend
from services.asr.checkpoint import Checkpoint, open_checkpoint
from services.asr.collapse import collapse
from services.asr.engine import EngineError, Segment, Transcription, Word

#: Positions (20 ms) of one batch, padding included: bounds memory, whatever the segments' lengths. A GPU wants many
#: (16 segments of 25 s); on a CPU larger batches only leave the cache.
BATCH_POSITIONS: Final = {"cpu": 4_000}
BATCH_POSITIONS_ACCELERATOR: Final = 20_000
#: A transcription shares its machine with the other stages; more threads than this hardly help a batch on a CPU.
CPU_THREADS: Final = 2


class CtcEngine:
    """See `engine.Engine`. `confidence` of a word: the model's mean probability of its letters where they are heard."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self.model = checkpoint.name
        self.model_revision = checkpoint.revision
        self._checkpoint = checkpoint
        self._device = device

    @classmethod
    def load(cls, model: str, device: str = "auto") -> CtcEngine:
        """Opens a checkpoint on a device (`auto`: a GPU when there is one).

        Raises:
            CheckpointError: the checkpoint cannot be used.
            EngineError: there is no such device.
        """
        place = _device(device)
        if place.type == "cpu":
            torch.set_num_threads(min(CPU_THREADS, os.cpu_count() or 1))
        return cls(open_checkpoint(model, place), place)

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        """See `Engine`. A segment shorter than 35 ms (`frontend.LEAST_SAMPLES`) has an empty text.

        Raises:
            ValueError: samples are not mono, or not finite.
        """
        heard: list[tuple[str, tuple[Word, ...]]] = [("", ())] * len(segments)
        waves = [_wave(index, segment) for index, segment in enumerate(segments)]
        for batch in self._batches([len(wave) for wave in waves]):
            for index, spoken in zip(batch, self._spoken([waves[i] for i in batch]), strict=True):
                heard[index] = spoken
        return [Transcription(text, words, self.model, self.model_revision) for text, words in heard]

    def _batches(self, samples: Sequence[int]) -> Iterator[list[int]]:
        """Segments by falling length, so that little is padded and memory's peak comes first; too short ones go."""
        budget = BATCH_POSITIONS.get(self._device.type, BATCH_POSITIONS_ACCELERATOR)
        frames = [frontend.frames(count) for count in samples]
        batch: list[int] = []
        for index in sorted((i for i, count in enumerate(frames) if count), key=lambda i: -frames[i]):
            if batch:
                longest = frames[batch[0]]
                full = frontend.positions(samples[batch[0]]) * (len(batch) + 1) > budget
                if full or (self._checkpoint.equal_lengths and frames[index] != longest):
                    yield batch
                    batch = []
            batch.append(index)
        if batch:
            yield batch

    def _spoken(self, waves: Sequence[Tensor]) -> list[tuple[str, tuple[Word, ...]]]:
        checkpoint = self._checkpoint
        features = [frontend.log_mel(wave, self._device) for wave in waves]
        inputs, mask = frontend.batch(features, checkpoint.padding)
        # TF32 would round convolutions to 10 bits, and the texts would no longer be the reference's.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            logits = checkpoint.model(input_features=inputs, attention_mask=mask).logits
            likeliest, best = logits.max(dim=-1)
            probability = (likeliest - logits.logsumexp(dim=-1)).exp()
        if checkpoint.equal_lengths:
            lengths = [logits.shape[1]] * len(waves)
        else:
            lengths = [frontend.positions(len(wave)) for wave in waves]
        own = torch.arange(logits.shape[1])[None, :] < torch.tensor(lengths)[:, None]
        spoken = collapse(
            best.cpu()[own].numpy(),
            probability.cpu()[own].numpy(),
            lengths,
            checkpoint.vocabulary,
            checkpoint.position_ms,
        )
        if checkpoint.tokenizer.clean_up_tokenization_spaces:
            clean = checkpoint.tokenizer.clean_up_tokenization
            spoken = [(clean(text), words) for text, words in spoken]
        return spoken


def _wave(index: int, segment: Segment) -> Tensor:
    if segment.samples.ndim != 1 or not np.isfinite(segment.samples).all():
        raise ValueError(f"segment {index}: samples must be mono and finite (shape {segment.samples.shape})")
    return torch.from_numpy(frontend.resample(segment.samples, segment.rate_hz))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as failure:
        raise EngineError(f"device {name!r}: {failure}") from failure
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EngineError(
            f"device {name!r} is not there: this machine has {torch.cuda.device_count()} GPUs that torch can use"
        )
    return device

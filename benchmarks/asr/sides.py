"""The ways to transcribe that are compared. Each is given 16 kHz waves and gives texts, features and decoding included.

The reference for texts is transformers with one segment at a time in float32, decoding every position that the model
has: what a batch of it gives depends on the batch (junk from padding at the end of shorter segments).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2CTCTokenizer,
    pipeline,
)

from services.asr.ctc.engine import CtcEngine, load
from services.asr.ctc.logmel import Stack
from services.asr.engine import EngineOptions, Precision, Segment

Waves = Sequence[NDArray[np.float32]]
BATCH = 32


class Transformers:
    """transformers' own classes, as its documentation puts them together.

    Args:
        folder: The checkpoint.
        device: Where to run.
        dtype: In which precision.
    """

    def __init__(self, folder: Path, device: str, dtype: torch.dtype = torch.float32) -> None:
        self._device = device
        self._dtype = dtype
        self.model: Any = Wav2Vec2BertForCTC.from_pretrained(folder, dtype=dtype).eval().to(device)
        self.extractor: Any = SeamlessM4TFeatureExtractor.from_pretrained(folder)
        self.tokenizer: Any = Wav2Vec2CTCTokenizer.from_pretrained(folder)
        self.stack = Stack(self.extractor.stride, self.extractor.padding_value)
        self._pipeline: Any = None

    def inputs(self, waves: Waves) -> Any:
        """Features and mask of a padded batch, on the device."""
        return self.extractor(list(waves), sampling_rate=16_000, return_tensors="pt", padding=True).to(
            self._device, self._dtype
        )

    def in_batches(self, waves: Waves) -> list[str]:
        """Extractor, model and `batch_decode`, 32 segments at a time in the order they come."""
        texts = []
        with torch.inference_mode():
            for start in range(0, len(waves), BATCH):
                logits = self.model(**self.inputs(waves[start : start + BATCH])).logits
                texts += self.tokenizer.batch_decode(logits.argmax(dim=-1).cpu())
        return texts

    def by_pipeline(self, waves: Waves) -> list[str]:
        """`pipeline("automatic-speech-recognition")` with `batch_size=32`."""
        if self._pipeline is None:
            self._pipeline = pipeline(
                "automatic-speech-recognition",
                model=self.model,
                feature_extractor=self.extractor,
                tokenizer=self.tokenizer,
                device=self._device,
                dtype=self._dtype,
            )
        heard = self._pipeline(({"raw": wave, "sampling_rate": 16_000} for wave in waves), batch_size=BATCH)
        return [one["text"].strip() for one in heard]

    def alone(self, wave: NDArray[np.float32]) -> tuple[str, list[tuple[str, int, int]]]:
        """The reference: text, and words with their first and last position."""
        with torch.inference_mode():
            best = self.model(**self.inputs([wave])).logits[0].argmax(dim=-1)
        heard = self.tokenizer.decode(best, output_word_offsets=True)
        return heard.text, [(w["word"], w["start_offset"], w["end_offset"]) for w in heard.word_offsets]


@contextmanager
def engine(folder: Path, device: str, precision: Precision = "auto", guard: float | None = None) -> Iterator[CtcEngine]:
    """Our engine, closed behind its use."""
    made = load(EngineOptions(str(folder), device, precision=precision, guard=guard))
    try:
        yield made
    finally:
        made.close()


def by_engine(made: CtcEngine) -> Callable[[Waves], list[str]]:
    """Our engine as a function of waves."""
    return lambda waves: [one.text for one in made.transcribe([Segment(wave, 16_000) for wave in waves])]


def production_shape(folder: Path, demo: Path, layers: int) -> Path:
    """Writes a checkpoint of W2V-BERT 2.0's shape (1,024 wide) with so many random layers and the demo's tokenizer.

    All 24 of them with the rest are 580 million parameters.
    """
    torch.manual_seed(0)
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(demo)
    model = Wav2Vec2BertForCTC(
        Wav2Vec2BertConfig(vocab_size=len(tokenizer), num_hidden_layers=layers, pad_token_id=tokenizer.pad_token_id)
    )
    with torch.no_grad():
        model.lm_head.weight.mul_(20)  # so that the best tokens vary, and texts can differ
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SeamlessM4TFeatureExtractor().save_pretrained(folder)
    return folder

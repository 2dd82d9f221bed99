"""Writes the trained state as a Hugging Face checkpoint folder in half precision: what `models/demo` ships."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from train import TOKENS, model_config
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertForCTC, Wav2Vec2CTCTokenizer

from services.asr import frontend


def export(state: Path, folder: Path) -> None:
    """`state` is what `train.py` keeps; `folder` is written over."""
    model = Wav2Vec2BertForCTC(model_config())
    model.load_state_dict(torch.load(state, weights_only=True)["model"])
    model.half().save_pretrained(folder)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(TOKENS)}, ensure_ascii=False), "utf-8")
    Wav2Vec2CTCTokenizer(vocabulary, bos_token=None, eos_token=None).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(
        feature_size=frontend.MELS,
        num_mel_bins=frontend.MELS,
        sampling_rate=frontend.RATE_HZ,
        stride=frontend.STRIDE,
        padding_value=0.0,
    ).save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(__file__).parent / "work" / "demo.pt")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / "demo")
    arguments = parser.parse_args()
    export(arguments.state, arguments.folder)

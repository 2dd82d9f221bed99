"""Writes the trained state as a Hugging Face checkpoint folder in half precision: what `models/demo` ships."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from features import STACK
from network import config
from train import state_path
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertForCTC, Wav2Vec2CTCTokenizer

from services.asr.audio import RATE_HZ
from services.asr.ctc import logmel


def export(work: Path, folder: Path) -> None:
    """`work` holds what `train.py` keeps; `folder` is written over, its card left as it is."""
    state = torch.load(state_path(work), weights_only=True)
    tokens = state["tokens"]
    model = Wav2Vec2BertForCTC(config(len(tokens)))
    own = "model."
    model.load_state_dict({n.removeprefix(own): v for n, v in state["trainee"].items() if n.startswith(own)})
    model.half().save_pretrained(folder)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False), "utf-8")
    Wav2Vec2CTCTokenizer(vocabulary, bos_token=None, eos_token=None).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(
        feature_size=logmel.MELS,
        num_mel_bins=logmel.MELS,
        sampling_rate=RATE_HZ,
        stride=STACK.stride,
        padding_value=0.0,
    ).save_pretrained(folder)


if __name__ == "__main__":
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=here / "work")
    parser.add_argument("--folder", type=Path, default=here.parent / "demo")
    arguments = parser.parse_args()
    export(arguments.work, arguments.folder)

"""Trains the demonstration model, a small `Wav2Vec2BertForCTC`, on the features that `corpus.py` made.

The learning rate follows the wall clock, so that the training ends in time and annealed on a shared machine too. Every
`CHECK_EVERY` steps the state is saved whole; the same command takes it up again.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import corpus
import numpy as np
import sentences
import torch
from scoring import word_errors
from torch import Tensor, distributed, nn
from torch.nn import functional
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC

from services.asr import attention, frontend

SEED = 20_261
PEAK_RATE = 2e-3
WARM_UP = 0.06
#: Positions (20 ms) in one process's batch: 20 s of audio.
BATCH_POSITIONS = 1_000
#: Processes of one thread each that share the gradients: models this small gain little from threads.
PROCESSES = 2
#: Training begins with segments up to 4 s, until their loss shows that letters are heard: without this the long ones
#: keep the model at "always blank".
SHORT_POSITIONS = 200
SHORT_UNTIL_LOSS = 1.2
SHORT_UNTIL_SHARE = 0.25
#: Then segments up to 7 s, because attention makes the long ones twice as dear; all of them only at the end.
MIDDLE_POSITIONS = 350
MIDDLE_UNTIL_SHARE = 0.92
CHECK_EVERY = 800
#: Token 0 is the blank; 2 separates words, as in Wav2Vec2's tokenizer.
TOKENS = ["<pad>", "<unk>", "|", *sorted(set("".join(sentences.vocabulary())))]


@dataclass(frozen=True, slots=True)
class Example:
    """Features in half precision [frames, 80] and their label."""

    features: np.ndarray[Any, np.dtype[np.float16]]
    text: str

    @property
    def positions(self) -> int:
        """Length in the model's positions of 20 ms."""
        return math.ceil(len(self.features) / frontend.STRIDE)


def model_config() -> Wav2Vec2BertConfig:
    """1.6 million parameters; everything else as in the production architecture."""
    return Wav2Vec2BertConfig(
        vocab_size=len(TOKENS),
        hidden_size=144,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=432,
        conv_depthwise_kernel_size=15,
        final_dropout=0.0,
        layerdrop=0.0,
        conformer_conv_dropout=0.0,
        apply_spec_augment=False,
        mask_time_prob=0.0,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )


def load_corpus(folder: Path) -> list[Example]:
    """Every segment that `corpus.py` has made."""
    examples = []
    for path in sorted(p for p in folder.glob("*.npz") if ".part." not in p.name):
        with np.load(path) as shard:
            ends = np.cumsum(shard["frames"])
            pieces = np.split(shard["features"], ends[:-1])
            examples += [Example(piece, str(text)) for piece, text in zip(pieces, shard["texts"], strict=True)]
    return examples


def monitor_set(count: int) -> list[Example]:
    """Unseen templates and voices, to watch the training; the measured test set is another (`evaluate.py`)."""
    examples = []
    for index in range(count):
        piece = corpus.segment(f"monitor-{index}", held_out_sentences=True, held_out_voices=True)
        heard = frontend.log_mel(frontend.resample(piece.samples, piece.rate_hz))
        examples.append(Example(heard.numpy().astype(np.float16), piece.text))
    return examples


def batches(examples: Sequence[Example], rng: random.Random) -> list[tuple[list[Example], ...]]:
    """One epoch in random order: for every step one batch for each process, all of like length."""
    ordered = sorted(examples, key=lambda e: e.positions + rng.uniform(0, 20))
    groups: list[list[Example]] = [[]]
    for example in ordered:
        if groups[-1] and max(example.positions, groups[-1][-1].positions) * (len(groups[-1]) + 1) > BATCH_POSITIONS:
            groups.append([])
        groups[-1].append(example)
    steps = list(zip(*[iter(groups)] * PROCESSES, strict=False))
    rng.shuffle(steps)
    return steps


def augmented(features: Tensor, rng: random.Random) -> Tensor:
    """SpecAugment on one segment's [frames, 80]: at most one mel band and a few short spans are set to the mean."""
    features = features.clone()
    for _ in range(rng.randint(0, 1)):
        low, width = rng.randrange(frontend.MELS), rng.randint(1, 12)
        features[:, low : low + width] = 0
    for _ in range(int(len(features) / 120 * rng.uniform(0, 0.8))):
        begin = rng.randrange(len(features))
        features[begin : begin + rng.randint(2, 10)] = 0
    return features


def ctc_loss(model: nn.Module, batch: Sequence[Example], rng: random.Random) -> Tensor:
    """Mean loss per label character."""
    heard = [augmented(torch.from_numpy(e.features.astype(np.float32)), rng) for e in batch]
    inputs, mask = frontend.batch(heard)
    logits = model(input_features=inputs, attention_mask=mask).logits.float()
    labels = [[TOKENS.index(c) for c in e.text.replace(" ", "|")] for e in batch]
    sizes = torch.tensor([len(label) for label in labels])
    loss = functional.ctc_loss(
        functional.log_softmax(logits, dim=-1).transpose(0, 1),
        torch.tensor([token for label in labels for token in label]),
        torch.tensor([e.positions for e in batch]),
        sizes,
        blank=0,
        reduction="sum",
        zero_infinity=True,
    )
    return loss / sizes.sum()


@torch.no_grad()
def word_error_rate(model: nn.Module, examples: Sequence[Example]) -> float:
    """Greedy decoding of each segment alone, in percent."""
    model.eval()
    errors = words = 0
    for example in examples:
        inputs, mask = frontend.batch([torch.from_numpy(example.features.astype(np.float32))])
        best = model(input_features=inputs, attention_mask=mask).logits[0].argmax(-1)
        tokens = torch.unique_consecutive(best).tolist()
        heard = "".join(TOKENS[t] for t in tokens if t).replace("|", " ")
        errors += word_errors(example.text, heard)
        words += len(example.text.split())
    model.train()
    return 100 * errors / words


def train(arguments: argparse.Namespace) -> None:
    """Trains until the minutes are over, in step with the other process; the first one saves and prints."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rank = distributed.get_rank()
    attention.install()
    examples = load_corpus(arguments.work / "corpus")
    monitor = monitor_set(arguments.monitor) if rank == 0 else []
    model = Wav2Vec2BertForCTC(model_config())
    model.train()
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=1e-3)
    path = arguments.work / f"{arguments.name}.pt"
    progress = Progress()
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        progress = Progress(**state["progress"])
    if rank == 0:
        hours = sum(e.positions for e in examples) * frontend.POSITION_MS / 3_600_000
        print(f"{len(examples)} segments, {hours:.1f} h, {sum(p.numel() for p in parameters)} parameters", flush=True)
    started = time.monotonic() - progress.spent_s
    while (share := progress.spent_s / 60 / arguments.minutes) < 1:
        # The same order in both processes; other masks in each.
        rng = random.Random(f"{SEED}-{progress.step}")
        masks = random.Random(f"{SEED}-{progress.step}-{rank}")
        beginning = progress.loss > SHORT_UNTIL_LOSS and share < SHORT_UNTIL_SHARE
        longest = SHORT_POSITIONS if beginning else MIDDLE_POSITIONS if share < MIDDLE_UNTIL_SHARE else math.inf
        steps = batches([e for e in examples if e.positions <= longest], rng)
        for groups in steps:
            share = progress.spent_s / 60 / arguments.minutes
            if share >= 1 or (beginning and progress.loss < SHORT_UNTIL_LOSS):
                break
            if longest == MIDDLE_POSITIONS and share >= MIDDLE_UNTIL_SHARE:
                break
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(share)
            with torch.autocast("cpu", torch.bfloat16):
                loss = ctc_loss(model, groups[rank], masks)
            optimiser.zero_grad()
            loss.backward()
            mean_loss, spent_s = _share_gradients(parameters, loss.item(), time.monotonic() - started)
            if torch.isfinite(nn.utils.clip_grad_norm_(parameters, 1.0)):
                optimiser.step()
            progress.step += 1
            progress.spent_s = spent_s
            progress.loss += 0.02 * (mean_loss - progress.loss)
            if rank == 0 and progress.step % 50 == 0:
                print(f"{progress}, rate {learning_rate(share):.1e}", flush=True)
            if rank == 0 and progress.step % CHECK_EVERY == 0:
                _save(path, model, optimiser, progress)
                print(f"{progress}: WER {word_error_rate(model, monitor):.1f} %", flush=True)
    if rank == 0:
        _save(path, model, optimiser, progress)
        print(f"end: {progress}, WER {word_error_rate(model, monitor):.1f} %", flush=True)


@dataclass(slots=True)
class Progress:
    """Where the training stands; the same in both processes. `loss` is a running mean."""

    step: int = 0
    spent_s: float = 0.0
    loss: float = 10.0

    def __str__(self) -> str:
        return f"step {self.step} {self.spent_s / 60:.1f} min loss {self.loss:.3f}"


def learning_rate(share: float) -> float:
    """Linear warm-up, then a cosine to nothing."""
    fall = 0.5 * (1 + math.cos(math.pi * max(0.0, (share - WARM_UP) / (1 - WARM_UP))))
    return PEAK_RATE * min(1.0, share / WARM_UP) * fall + 1e-6


def _share_gradients(parameters: Sequence[nn.Parameter], loss: float, spent_s: float) -> tuple[float, float]:
    """Averages the gradients over the processes, with the loss and the time, so that all go on alike."""
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None] + [torch.tensor([loss, spent_s])])
    distributed.all_reduce(flat)
    flat /= PROCESSES
    offset = 0
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.copy_(flat[offset : offset + parameter.numel()].view_as(parameter))
            offset += parameter.numel()
    return float(flat[-2]), float(flat[-1])


def _save(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "progress": asdict(progress)}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def _process(rank: int, arguments: argparse.Namespace) -> None:
    os.nice(arguments.nice)
    distributed.init_process_group("gloo", init_method=f"file://{arguments.meeting}", rank=rank, world_size=PROCESSES)
    train(arguments)
    distributed.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--name", default="demo", help="the state is kept in WORK/NAME.pt")
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--monitor", type=int, default=60, help="segments to watch the word error rate on")
    parser.add_argument("--nice", type=int, default=0)
    parsed = parser.parse_args()
    parsed.meeting = Path(tempfile.mkdtemp()) / "meeting"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_process, args=(rank, parsed)) for rank in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

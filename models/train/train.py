"""Trains the demonstration model, a small `Wav2Vec2BertForCTC`, on the features that `corpus.py` made.

The learning rate follows the processor's time, so that the training ends annealed on a shared machine too. Every few
minutes the state is saved whole; the same command takes it up again.
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

import corpus
import data
import tokens
import torch
from features import STACK, Variety
from network import Trainee
from scoring import word_errors
from torch import Tensor, distributed, nn
from torch.nn import functional

SEED = 20_261
MINUTES = 75.0
PEAK_RATE = 3e-3
#: Of the matrices: Muon's steps are alike in size for every direction.
PEAK_RATE_MATRICES = 0.01
WARM_UP = 0.03
#: The phonemes' part in the loss.
PHONEME_WEIGHT = 0.3
#: Positions (40 ms) in one process's batch: 64 s of audio.
BATCH_POSITIONS = 1_600
#: Processes of one thread each that share the gradients: models this small gain little from threads.
PROCESSES = 2
#: The longest segments, in positions, until a share of the time: short ones first, for they teach the letters faster.
LONGEST = ((0.05, 100.0), (0.4, 200.0), (1.0, math.inf))
CHECK_EVERY_S = 240.0


@dataclass(slots=True)
class Progress:
    """Where the training stands; the same in both processes. Losses are running means, for each token."""

    step: int = 0
    spent_s: float = 0.0
    heard_s: float = 0.0
    loss: float = 5.0
    phoneme_loss: float = 4.0

    def __str__(self) -> str:
        return (
            f"step {self.step} {self.spent_s / 60:.1f} min, heard {self.heard_s / 3600:.1f} h, "
            f"loss {self.loss:.3f}, of phonemes {self.phoneme_loss:.3f}"
        )


class Optimiser:
    """Muon for the layers' matrices, AdamW for all else."""

    def __init__(self, trainee: Trainee) -> None:
        inner = [p for name, p in trainee.named_parameters() if ".layers." in name and _is_matrix(name, p)]
        chosen = {id(p) for p in inner}
        rest = [p for p in trainee.parameters() if id(p) not in chosen]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.Muon(inner, lr=PEAK_RATE_MATRICES, weight_decay=0.01, momentum=0.95), PEAK_RATE_MATRICES),
            (torch.optim.AdamW(rest, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=1e-3), PEAK_RATE),
        ]

    def step(self, share: float) -> None:
        """One step at the learning rate of this share of the time."""
        for optimiser, peak in self.parts:
            for group in optimiser.param_groups:
                group["lr"] = peak * learning_rate(share)
            optimiser.step()


def learning_rate(share: float) -> float:
    """Of the peak: linear warm-up, then down to nothing in a straight line."""
    return max(1e-3, min(share / WARM_UP, (1 - share) / (1 - WARM_UP)))


def losses(trainee: Trainee, batch: data.Batch) -> tuple[Tensor, Tensor]:
    """Mean loss for each token, and for each phoneme."""
    with torch.autocast("cpu", torch.bfloat16):
        scores, sounds = trainee(batch.features, batch.lengths)
    return (
        _ctc(scores, batch.lengths, batch.tokens, batch.token_counts),
        _ctc(sounds, batch.lengths, batch.phonemes, batch.phoneme_counts),
    )


@torch.no_grad()
def word_error_rate(trainee: Trainee, examples: Sequence[data.Example]) -> float:
    """Greedy decoding of each segment alone, in percent."""
    trainee.eval()
    errors = words = 0
    for example in examples:
        batch = data.batch([example], None)
        best = trainee(batch.features, batch.lengths)[0][0].argmax(-1)
        errors += word_errors(example.text, tokens.decode(best.tolist()))
        words += len(example.text.split())
    trainee.train()
    return 100 * errors / words


def train(work: Path, minutes: float, monitored: int) -> None:
    """Trains until the minutes are over, in step with the other process; the first one saves and prints."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rank = distributed.get_rank()
    examples = data.load(work / "corpus")
    variety = Variety(corpus.noise_path(work / "corpus"), random.Random())
    monitor = data.monitor_set(monitored) if rank == 0 else []
    trainee = Trainee(len(tokens.tokens()), len(data.PHONEMES) + 1)
    optimiser = Optimiser(trainee)
    path, progress = state_path(work), Progress()
    if path.exists():
        progress = _take_up(path, trainee, optimiser)
    if rank == 0:
        hours = sum(e.positions for e in examples) * STACK.position_ms / 3_600_000
        parameters = sum(p.numel() for p in trainee.model.parameters())
        sample = data.batch(examples[:4], None)
        difference = trainee.check(sample.features, sample.lengths)
        print(f"{len(examples)} segments, {hours:.1f} h, {parameters} parameters, off by {difference:.0e}", flush=True)
    begun, checked, printed = time.process_time() - progress.spent_s, progress.spent_s, progress.spent_s
    wall = time.monotonic()
    while (share := progress.spent_s / 60 / minutes) < 1:
        # The same order in both processes; heard otherwise in each.
        rng = random.Random(f"{SEED}-{progress.step}")
        variety.rng = random.Random(f"{SEED}-{progress.step}-{rank}")
        until, longest = next((until, longest) for until, longest in LONGEST if share < until)
        fit = [e for e in examples if e.positions <= longest]
        for groups in data.batches(fit, BATCH_POSITIONS, PROCESSES, rng):
            if (share := progress.spent_s / 60 / minutes) >= until:
                break
            batch = data.batch(groups[rank], variety)
            loss, phoneme_loss = losses(trainee, batch)
            trainee.zero_grad()
            (loss + PHONEME_WEIGHT * phoneme_loss).backward()
            heard_s = float(batch.lengths.sum()) * STACK.position_ms / 1000
            means = _share_gradients(
                trainee, (loss.item(), phoneme_loss.item(), heard_s, time.process_time() - begun - progress.spent_s)
            )
            if torch.isfinite(nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)):
                optimiser.step(share)
            _advance(progress, means)
            if rank == 0 and progress.spent_s - printed > 30:
                printed = progress.spent_s
                left = (minutes * 60 - progress.spent_s) / 60
                slow = (time.monotonic() - wall) / max(1e-9, time.process_time())
                print(f"{progress}; {left:.0f} min to go, {slow:.2f} times that by the clock", flush=True)
            if rank == 0 and progress.spent_s - checked > CHECK_EVERY_S:
                checked = progress.spent_s
                _save(path, trainee, optimiser, progress)
                print(f"{progress}: WER {word_error_rate(trainee, monitor):.1f} %", flush=True)
    if rank == 0:
        _save(path, trainee, optimiser, progress)
        print(f"end: {progress}, WER {word_error_rate(trainee, monitor):.1f} %", flush=True)


def state_path(work: Path) -> Path:
    """Where the state is kept."""
    return work / "state.pt"


def run(work: Path, minutes: float = MINUTES, monitored: int = 80) -> None:
    """Trains in `PROCESSES` processes, from where the state in `work` stands.

    Raises:
        RuntimeError: a process failed.
    """
    meeting = Path(tempfile.mkdtemp()) / "meeting"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_process, args=(r, meeting, work, minutes, monitored)) for r in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("the training failed: see above")


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and "distance_embedding" not in name


def _ctc(scores: Tensor, lengths: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    loss = functional.ctc_loss(
        functional.log_softmax(scores.float(), dim=-1).transpose(0, 1),
        labels,
        lengths,
        counts,
        reduction="sum",
        zero_infinity=True,
    )
    return loss / counts.sum()


def _share_gradients(trainee: Trainee, numbers: Sequence[float]) -> list[float]:
    """Averages gradients and numbers over the processes, so that all go on alike."""
    gradients = [p.grad for p in trainee.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor(numbers)])
    distributed.all_reduce(flat)
    flat /= PROCESSES
    offset = 0
    for gradient in gradients:
        gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()
    return flat[offset:].tolist()


def _advance(progress: Progress, means: Sequence[float]) -> None:
    loss, phoneme_loss, heard_s, spent_s = means
    progress.step += 1
    progress.heard_s += heard_s * PROCESSES
    progress.spent_s += spent_s
    progress.loss += 0.02 * (loss - progress.loss)
    progress.phoneme_loss += 0.02 * (phoneme_loss - progress.phoneme_loss)


def _save(path: Path, trainee: Trainee, optimiser: Optimiser, progress: Progress) -> None:
    state = {
        "trainee": trainee.state_dict(),
        "optimisers": [part.state_dict() for part, _ in optimiser.parts],
        "progress": asdict(progress),
        "tokens": list(tokens.tokens()),
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def _take_up(path: Path, trainee: Trainee, optimiser: Optimiser) -> Progress:
    state = torch.load(path, weights_only=True)
    trainee.load_state_dict(state["trainee"])
    for (part, _), kept in zip(optimiser.parts, state["optimisers"], strict=True):
        part.load_state_dict(kept)
    return Progress(**state["progress"])


def _process(rank: int, meeting: Path, work: Path, minutes: float, monitored: int) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=PROCESSES)
    train(work, minutes, monitored)
    distributed.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each process's processor time")
    parser.add_argument("--monitor", type=int, default=80, help="segments to watch the word error rate on")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run(arguments.work, arguments.minutes, arguments.monitor)

"""Times the CTC engine against transformers and compares their texts; prints the tables of docs/asr.md.

    python -m benchmarks.asr                    # this machine's CPU, the demo model: about 10 minutes
    python -m benchmarks.asr --layers 24 --device cuda --price 3.5 --profile trace.json

Both sides are given the same 16 kHz waves and the same threads. Every figure counts audio that is in segments, never
padding, and includes features, copies and decoding unless its row says otherwise.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from benchmarks.asr import segments as made
from benchmarks.asr.sides import Transformers, Waves, by_engine, engine, production_shape
from benchmarks.tables import say, show, table
from ringtrue.resources import resource
from services.asr.audio import resample
from services.asr.ctc import logmel
from services.asr.ctc.collapse import collapse
from services.asr.engine import Precision, Segment

#: Of W2V-BERT 2.0 with the 73-column relative table, for each second of audio (shared notes: counted on meta tensors).
_GFLOP_PER_S = 64.2
#: What an H200 does in half precision, in matrix products of the sizes that matter.
_PEAK_TFLOPS = 790.0


def main(count: int, layers: int, shape_count: int, device: str, price: float, profile: Path | None) -> None:
    """Prints every table; `price` is of an hour of the machine, in whatever currency."""
    demo = resource("models/demo")
    machine = _machine(device)
    with tempfile.TemporaryDirectory() as folder:
        if device == "cpu":
            waves = _waves(made.varied(count))
            show(_parts(demo, waves[:256], machine))
            _compare(demo, waves, device, price, f"demo model, {_of(waves)}; {machine}")
        big = production_shape(Path(folder) / "big", demo, layers)
        some = _waves(made.varied(shape_count) if device == "cpu" else made.full(512))
        _compare(
            big, some, device, price, f"{layers} random layers of W2V-BERT 2.0's shape, {_of(some)}; {machine}", layers
        )
        if profile is not None:
            _profile(big, some, device, profile)


def _compare(folder: Path, waves: Waves, device: str, price: float, caption: str, layers: int = 0) -> None:
    torch.set_num_threads(os.cpu_count() or 1)  # our engine, where it ran before, has taken one thread for each batch
    seconds = _seconds(waves)
    half: Precision = "float32" if device == "cpu" else "float16"
    say("transformers, one segment at a time in float32: the reference for texts")
    exact = Transformers(folder, device)
    timed = table(
        "Throughput, whole path", caption, ("side", "precision"), ("s", "x real time", "to ours", "per 1,000 h")
    )
    started = time.perf_counter()
    reference = [exact.alone(wave) for wave in waves]
    rows: list[tuple[str, str, float]] = [("transformers, one at a time", "float32", time.perf_counter() - started)]
    texts: list[tuple[str, str, list[str]]] = []
    theirs = exact if half == "float32" else Transformers(folder, device, torch.float16)
    for name, transcribe in (
        ("transformers, batches of 32", theirs.in_batches),
        ("transformers' pipeline", theirs.by_pipeline),
    ):
        say(name)
        taken, said = _timed(transcribe, waves, repeat=1 if device == "cpu" else 2)
        rows.append((name, half, taken))
        texts.append((name, half, said))
    ways: list[tuple[str, Precision, float | None]] = [("Ringtrue", half, None)]
    ways += [("Ringtrue, no guard", half, 0.0)] if half != "float32" else [("Ringtrue", "bfloat16", None)]
    heard = None
    for name, precision, guard in ways:
        say(f"{name}, {precision}")
        with engine(folder, device, precision, guard) as ours:
            ours.transcribe([Segment(wave, 16_000) for wave in waves[:64]])  # warm
            before = _reruns()
            taken, said = _timed(by_engine(ours), waves, repeat=2)
            again = (_reruns() - before) / 2
            rows.append((name, f"{precision}, {again:.0f} rerun" if again else precision, taken))
            texts.append((name, precision, said))
            heard = heard or ours.transcribe([Segment(wave, 16_000) for wave in waves])
    best = rows[3][2]
    for name, arithmetic, taken in rows:
        cost = f"{price * 1000 * taken / seconds:.2f}" if price else "-"
        timed.add_row(name, arithmetic, f"{taken:.1f}", f"{seconds / taken:,.0f}", f"{taken / best:.2f}", cost)
    show(timed)
    if layers == 24:
        rtfx = seconds / best
        tflops = rtfx * _GFLOP_PER_S / 1000
        print(f"arithmetic: {tflops:.0f} TFLOP/s, {100 * tflops / _PEAK_TFLOPS:.0f} % of {_PEAK_TFLOPS:.0f}\n")
    same = table("Texts against one segment at a time in float32", caption, ("side", "precision"), ("equal", "of"))
    for name, arithmetic, said in texts:
        equal = sum(text == expected for text, (expected, _) in zip(said, reference, strict=True))
        same.add_row(name, arithmetic, f"{equal}", f"{len(waves)}")
    show(same)
    assert heard is not None
    position_ms = exact.stack.position_ms
    off = [
        round(max(abs(w.start_ms - start * position_ms), abs(w.end_ms - end * position_ms)))
        for one, (text, words) in zip(heard, reference, strict=True)
        if one.text == text
        for w, (_, start, end) in zip(one.words, words, strict=True)
    ]
    print(f"word times against the reference's positions: {len(off)} words, at most {max(off, default=0)} ms apart\n")


def _parts(demo: Path, waves: Waves, machine: str) -> Any:
    """The steps for themselves, on one thread."""
    theirs = Transformers(demo, "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = _seconds(waves)
    parts = table(
        "Each step, one thread",
        f"{_of(waves)}; {machine}",
        ("step",),
        ("transformers, s", "Ringtrue, s", "ratio", "apart", "from float64"),
    )
    say("front end")
    slow, features = _timed(lambda some: [theirs.inputs([wave])["input_features"][0] for wave in some], waves)
    fast, ours = _timed(lambda some: [logmel.log_mel(wave) for wave in some], waves, repeat=3)
    apart = max(_apart(theirs.stack, one, other) for one, other in zip(ours, features, strict=True))
    # The reference normalises in float32, and so is itself some way off.
    exact = [_normalised(theirs.stack, theirs.extractor._extract_fbank_features(wave)) for wave in waves]
    off = max(_apart(theirs.stack, one, other) for one, other in zip(ours, exact, strict=True))
    parts.add_row("features", f"{slow:.2f}", f"{fast:.2f}", f"{slow / fast:.1f}", f"{apart:.1e}", f"{off:.1e}")
    say("text stage")
    with torch.inference_mode():
        logits = [theirs.model(**theirs.inputs([wave])).logits[0] for wave in waves[:64]]
    lengths = [len(one) for one in logits]
    best = torch.nn.utils.rnn.pad_sequence([one.argmax(dim=-1) for one in logits], batch_first=True)
    flat = torch.cat([one.argmax(dim=-1) for one in logits]).numpy()
    sure = np.ones(len(flat), np.float32)
    with engine(demo, "cpu") as made_engine:
        vocabulary = made_engine.vocabulary
    torch.set_num_threads(1)
    slow, _ = _timed(lambda _: theirs.tokenizer.batch_decode(best, output_word_offsets=True), [], repeat=5)
    fast, _ = _timed(lambda _: collapse(flat, sure, lengths, vocabulary, theirs.stack.position_ms), [], repeat=5)
    parts.add_row(
        "tokens to text and words (64 segments)", f"{slow:.4f}", f"{fast:.4f}", f"{slow / fast:.1f}", "-", "-"
    )
    torch.set_num_threads(threads)
    say(f"{seconds:.0f} s of audio in the steps")
    return parts


def _normalised(stack: logmel.Stack, features: NDArray[np.float32]) -> torch.Tensor:
    """The reference's log-mel values, normalised in float64, as the model takes them."""
    exact = torch.from_numpy(features).double()
    variance, mean = torch.var_mean(exact, dim=0, correction=1)
    return stack.stacked((exact - mean) / (variance + 1e-7).sqrt())


def _apart(stack: logmel.Stack, ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The greatest difference over the whole positions of features [frames, 80] and the model's input."""
    whole = stack.kept(len(ours))
    return float((stack.stacked(ours)[:whole] - theirs[:whole]).abs().max())


def _profile(folder: Path, waves: Waves, device: str, path: Path) -> None:
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device != "cpu" else [])
    with engine(folder, device) as ours:
        ours.transcribe([Segment(wave, 16_000) for wave in waves[:64]])
        with profile(activities=activities) as seen:
            ours.transcribe([Segment(wave, 16_000) for wave in waves[:64]])
    seen.export_chrome_trace(str(path))
    order = "self_cuda_time_total" if device != "cpu" else "self_cpu_time_total"
    print(seen.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60))


def _timed(work: Callable[[Waves], Any], waves: Waves, repeat: int = 1) -> tuple[float, Any]:
    """The least time of several, and what came of it."""
    least, result = float("inf"), None
    for _ in range(repeat):
        started = time.perf_counter()
        result = work(waves)
        least = min(least, time.perf_counter() - started)
    return least, result


def _reruns() -> float:
    return REGISTRY.get_sample_value("ringtrue_asr_reruns_total") or 0.0


def _waves(segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
    return [resample(segment.samples, segment.rate_hz) for segment in segments]


def _seconds(waves: Waves) -> float:
    return sum(map(len, waves)) / 16_000


def _of(waves: Waves) -> str:
    lengths = [len(wave) / 16_000 for wave in waves]
    mean = sum(lengths) / len(lengths)
    return f"{len(waves)} segments of {min(lengths):.0f} to {max(lengths):.0f} s ({mean:.1f} on average)"


def _machine(device: str) -> str:
    place = f"{os.cpu_count()} cores" if device == "cpu" else torch.cuda.get_device_name(device)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{place}; {versions}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=1000, help="for the demo model (CPU only)")
    parser.add_argument("--layers", type=int, default=2, help="of the production shape; all of it has 24")
    parser.add_argument("--shape-segments", type=int, default=64, help="for the production shape (CPU only)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument(
        "--price", type=float, default=0.0, help="of an hour of this machine: what 1,000 hours of audio cost"
    )
    parser.add_argument("--profile", type=Path, help="write a Chrome trace of our side here, and print its table")
    arguments = parser.parse_args()
    main(
        arguments.segments,
        arguments.layers,
        arguments.shape_segments,
        arguments.device,
        arguments.price,
        arguments.profile,
    )

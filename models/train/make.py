"""Makes the demonstration model from nothing but text and espeak-ng: corpus, training, export, table of word errors.

One command, some 95 minutes on two idle cores. It may be stopped and started again: what was
done is kept, and the training goes on where it was saved last. `--folder` decides where the model goes, models/demo
if it is not given.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent


def make(work: Path, folder: Path, segments: int, minutes: float, count: int) -> None:
    """All steps, each announced with the time that it took."""
    # Each process has one thread: set before PyTorch is loaded, and so are the imports below it.
    os.environ["OMP_NUM_THREADS"] = "1"
    import corpus
    import evaluate
    import export
    import train

    steps: list[tuple[str, Callable[[], None]]] = [
        (f"corpus of {segments} segments", lambda: corpus.make(work / "corpus", segments)),
        (f"training, {minutes:g} minutes of processor time", lambda: train.run(work, minutes)),
        (f"export to {folder}", lambda: export.export(work, folder)),
        ("word error rates", lambda: evaluate.evaluate(str(folder), count)),
    ]
    for number, (title, step) in enumerate(steps, 1):
        print(f"{number}/{len(steps)} {title}", flush=True)
        begun = time.monotonic()
        step()
        print(f"{number}/{len(steps)} took {(time.monotonic() - begun) / 60:.1f} min", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--work", type=Path, default=HERE / "work", help="keeps the corpus (4 GB) and the state")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "demo", help="where the checkpoint goes")
    parser.add_argument("--segments", type=int, default=36_000, help="of speech, six seconds each")
    parser.add_argument("--minutes", type=float, default=75.0, help="of training: processor time of each process")
    parser.add_argument("--count", type=int, default=100, help="test segments for every codec and set")
    arguments = parser.parse_args()
    make(arguments.work, arguments.folder, arguments.segments, arguments.minutes, arguments.count)

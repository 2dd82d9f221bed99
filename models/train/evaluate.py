"""Word error rates of a checkpoint by codec, through the engine itself, on voices that were never trained on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import corpus
import numpy as np
from scoring import word_errors

from services.asr.engine import Engine, Segment, load_engine


@dataclass(frozen=True, slots=True)
class TestSet:
    """What one column is measured on; the voices are held-out ones in each.

    Attributes:
        held_out_templates: Sentences of templates that were never trained on.
        unseen: Only sentences that stand nowhere in what was trained on, not even within a longer one.
        random_share: How many of the sentences are words in no order.
    """

    held_out_templates: bool
    unseen: bool
    random_share: float


SETS = {
    "new draws, a third words in no order": TestSet(held_out_templates=False, unseen=False, random_share=0.35),
    "sentences never trained on": TestSet(held_out_templates=False, unseen=True, random_share=0.0),
    "templates never trained on": TestSet(held_out_templates=True, unseen=True, random_share=0.0),
}
#: Sentences in one segment. With more, too few segments of short templates could be made of unseen sentences only.
MOST_TURNS = 3


def evaluate(model: str, work: Path, count: int) -> None:
    """Prints a Markdown table: `count` segments for every codec and set, the same speech for each codec."""
    engine = load_engine("ctc", model, "cpu")
    unseen = never_in(work)
    print(f"| codec | {' | '.join(SETS)} |\n|---|{'---|' * len(SETS)}")
    totals = dict.fromkeys(SETS, (0, 0))
    for codec in corpus.CODECS:
        cells = []
        for name, test in SETS.items():
            errors, words = _errors(engine, codec, count, test, unseen)
            totals[name] = (totals[name][0] + errors, totals[name][1] + words)
            cells.append(f"{100 * errors / words:.1f} %")
        print(f"| {codec} | {' | '.join(cells)} |", flush=True)
    print(f"| all | {' | '.join(f'**{100 * errors / words:.1f} %**' for errors, words in totals.values())} |")
    print(f"| words | {' | '.join(str(words) for _, words in totals.values())} |")


def never_in(work: Path) -> Callable[[str], bool]:
    """Whether a sentence stands nowhere in the corpora that were trained on, not even within a longer one."""
    shards = sorted(work.glob("*.npz"))
    if not shards:
        sys.exit(f"no corpus in {work}: make it first (README.md), so that its sentences can be left out of the test")
    texts = [f" {text} " for path in shards for text in np.load(path)["texts"].tolist()]
    spoken = "\n".join(texts)
    return lambda sentence: f" {sentence} " not in spoken


def _errors(engine: Engine, codec: str, count: int, test: TestSet, unseen: Callable[[str], bool]) -> tuple[int, int]:
    pieces = [
        corpus.segment(
            f"test-{i}",
            held_out_sentences=test.held_out_templates,
            held_out_voices=True,
            codec=codec,
            rate_hz=8_000,
            random_share=test.random_share,
            most_turns=MOST_TURNS,
            accept=unseen if test.unseen else bool,
        )
        for i in range(count)
    ]
    heard = engine.transcribe([Segment(piece.samples, piece.rate_hz) for piece in pieces])
    errors = sum(word_errors(piece.text, said.text) for piece, said in zip(pieces, heard, strict=True))
    return errors, sum(len(piece.text.split()) for piece in pieces)


if __name__ == "__main__":
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(here.parent / "demo"))
    parser.add_argument("--work", type=Path, default=here / "work" / "corpus", help="the corpora that were trained on")
    parser.add_argument("--count", type=int, default=50, help="segments for every codec and set")
    arguments = parser.parse_args()
    evaluate(arguments.model, arguments.work, arguments.count)

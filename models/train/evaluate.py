"""Word error rates of a checkpoint by codec, through the engine itself, on voices that were never trained on.

A quarter of the segments has ringback before the speech. Noise is white or coloured: that of a fair line, 20 to 45 dB
below the speech, or 10 dB below it.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import corpus
import sentences
from scoring import word_errors

from services.asr.engine import EngineOptions, Segment, load_engine


@dataclass(frozen=True, slots=True)
class TestSet:
    """What one column is measured on; the voices are held-out ones in each.

    Attributes:
        held_out_templates: Sentences of templates that were never trained on.
        snr_db: How far below the speech the noise is; 20 to 45 dB where not given.
    """

    held_out_templates: bool
    snr_db: float | None = None


SETS = {
    "new draws of known templates": TestSet(held_out_templates=False),
    "templates never trained on": TestSet(held_out_templates=True),
    "templates never trained on, 10 dB noise": TestSet(held_out_templates=True, snr_db=10.0),
}
COUNT = 100
MOST_TURNS = 3
RINGBACK_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Score:
    """Errors in so many words; `strange`: words in no trained template; `strange_wrong`: those not heard at all."""

    errors: int = 0
    words: int = 0
    strange: int = 0
    strange_wrong: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.errors + other.errors,
            self.words + other.words,
            self.strange + other.strange,
            self.strange_wrong + other.strange_wrong,
        )

    def __str__(self) -> str:
        return f"{100 * self.errors / max(1, self.words):.1f} %"


def evaluate(model: str, count: int = COUNT, shown: int = 0) -> None:
    """Prints a Markdown table: `count` segments for every codec and set, the same speech for each codec."""
    print(f"| codec | {' | '.join(SETS)} |\n|---|{'---|' * len(SETS)}")
    totals = dict.fromkeys(SETS, Score())
    wrong: list[tuple[str, str]] = []
    cells = [(codec, name) for codec in corpus.CODECS for name in SETS]
    with ProcessPoolExecutor(2) as pool:
        scores = pool.map(partial(measured, model, count), cells)
        for codec in corpus.CODECS:
            row = []
            for name in SETS:
                score, mistakes = next(scores)
                totals[name] += score
                row.append(str(score))
                if codec == "mu-law" and SETS[name].held_out_templates:
                    wrong += mistakes
            print(f"| {codec} | {' | '.join(row)} |", flush=True)
    print(f"| all | {' | '.join(f'**{score}**' for score in totals.values())} |")
    print(f"| words | {' | '.join(str(score.words) for score in totals.values())} |")
    print(
        "| of these in no trained template, and how many of them were not heard | "
        f"{' | '.join(f'{s.strange}, {s.strange_wrong}' for s in totals.values())} |"
    )
    for said, heard in wrong[:shown]:
        print(f"said  {said}\nheard {heard}\n")


def measured(model: str, count: int, cell: tuple[str, str]) -> tuple[Score, Sequence[tuple[str, str]]]:
    """One cell of the table, and what was said and heard where they differ."""
    codec, name = cell
    pieces = [_piece(codec, SETS[name], index) for index in range(count)]
    engine = load_engine("ctc", EngineOptions(model, "cpu"))
    heard = [said.text for said in engine.transcribe([Segment(p.samples, p.rate_hz) for p in pieces])]
    trained = sentences.trained_vocabulary()
    score = Score()
    for piece, text in zip(pieces, heard, strict=True):
        words = piece.text.split()
        strange = Counter(word for word in words if word not in trained)
        missing = strange - Counter(text.split())
        score += Score(word_errors(piece.text, text), len(words), strange.total(), missing.total())
    return score, [(p.text, text) for p, text in zip(pieces, heard, strict=True) if p.text != text]


def _piece(codec: str, test: TestSet, index: int) -> corpus.Piece:
    rng = random.Random(f"noise-{index}")
    quiet_db = rng.uniform(20, 45)
    return corpus.segment(
        f"test-{index}",
        held_out_sentences=test.held_out_templates,
        held_out_voices=True,
        codec=codec,
        rate_hz=8_000,
        random_share=0.0,
        most_turns=MOST_TURNS,
        ringback_share=RINGBACK_SHARE,
        noise=(rng.choice(("white", "coloured")), quiet_db if test.snr_db is None else test.snr_db),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(Path(__file__).parents[1] / "demo"))
    parser.add_argument("--count", type=int, default=COUNT, help="segments for every codec and set")
    parser.add_argument("--show", type=int, default=0, help="so many mistakes")
    arguments = parser.parse_args()
    evaluate(arguments.model, arguments.count, arguments.show)

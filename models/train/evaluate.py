"""Word error rates of a checkpoint by codec, through the engine itself, on speech that it never trained on."""

from __future__ import annotations

import argparse
from pathlib import Path

import corpus
from scoring import word_errors

from services.asr.engine import Engine, Segment, load_engine

#: What each column is measured on: whether templates are held-out ones, whether voices are. No sentence was trained on.
SETS = {
    "new sentences, trained voices": (False, False),
    "new sentences, held-out voices": (False, True),
    "sentences of held-out templates, held-out voices": (True, True),
}


def evaluate(model: str, count: int) -> None:
    """Prints a Markdown table: `count` segments for every codec and set, the same speech for each codec."""
    engine = load_engine("ctc", model, "cpu")
    print(f"| codec | {' | '.join(SETS)} |\n|---|{'---|' * len(SETS)}")
    totals = dict.fromkeys(SETS, (0, 0))
    for codec in corpus.CODECS:
        cells = []
        for name, held_out in SETS.items():
            errors, words = _errors(engine, codec, count, *held_out)
            totals[name] = (totals[name][0] + errors, totals[name][1] + words)
            cells.append(f"{100 * errors / words:.1f} %")
        print(f"| {codec} | {' | '.join(cells)} |", flush=True)
    print(f"| all | {' | '.join(f'**{100 * errors / words:.1f} %**' for errors, words in totals.values())} |")
    print(f"| words | {' | '.join(str(words) for _, words in totals.values())} |")


def _errors(engine: Engine, codec: str, count: int, sentences: bool, voices: bool) -> tuple[int, int]:
    pieces = [
        corpus.segment(
            f"test-{i}",
            held_out_sentences=sentences,
            held_out_voices=voices,
            codec=codec,
            rate_hz=8_000,
            random_share=0.0,
        )
        for i in range(count)
    ]
    heard = engine.transcribe([Segment(piece.samples, piece.rate_hz) for piece in pieces])
    errors = sum(word_errors(piece.text, said.text) for piece, said in zip(pieces, heard, strict=True))
    return errors, sum(len(piece.text.split()) for piece in pieces)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(Path(__file__).parents[1] / "demo"))
    parser.add_argument("--count", type=int, default=50, help="segments for every codec and set")
    arguments = parser.parse_args()
    evaluate(arguments.model, arguments.count)

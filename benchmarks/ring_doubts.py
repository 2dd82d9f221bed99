"""How often a count is wrong where the analysis has a doubt, and whether its confidence holds what it says.

    python -m benchmarks.ring_doubts --calls 500

Development calls of Ringtrue Rings (`benchmarks/rings`), read by their own country's plan or, with `--auto`, by the one
that is recognised. The factors in `services/ingest/audio/doubts.py` (`DOUBTS`) are set by these tables. Calls that
nobody can count (a custom ringback) are left out.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from benchmarks.rings.calls import make_call
from benchmarks.rings.codecs import encoded
from benchmarks.tables import say, show, table
from services.ingest.audio.decode import decode
from services.ingest.audio.doubts import DOUBTS, confidence
from services.ingest.audio.tone_plans import AUTO, plans_for
from services.ingest.audio.tones import Tones, find_tones

_NEWS_EVERY = 100
#: Lower ends of the classes of confidence.
_CLASSES = (0.985, 0.95, 0.9, 0.7, 0.0)


def main(arguments: Sequence[str]) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ring_doubts", description=__doc__)
    parser.add_argument("--calls", type=int, default=500, metavar="N", help="how many calls (default 500)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first call's seed (default 0)")
    parser.add_argument("--auto", action="store_true", help="do not tell the country")
    chosen = parser.parse_args(arguments)
    answers = []
    for number in range(chosen.calls):
        answer = _answer(chosen.first + number, chosen.auto)
        if answer is not None:
            answers.append(answer)
        if (number + 1) % _NEWS_EVERY == 0:
            say(f"{number + 1} of {chosen.calls} calls")
    caption = f"seeds {chosen.first} to {chosen.first + chosen.calls - 1}, development"
    _show_doubts(answers, caption)
    _show_classes(answers, caption)
    return 0


def _answer(seed: int, auto: bool) -> tuple[Tones, bool] | None:
    """What is found in a call, and whether its count is right; None where nobody can count."""
    truth, sound = make_call(seed)
    if truth.ring_count is None:
        return None
    recording = decode(encoded(sound, truth.codec), f"seed {seed}")
    plans = plans_for(AUTO if auto else truth.country)
    channels = [find_tones(channel, recording.rate_hz, plans) for channel in recording.channels]
    best = max(channels, key=lambda tones: (tones.ring_count, tones.ring_confidence))
    return best, best.ring_count == truth.ring_count


def _show_doubts(answers: Sequence[tuple[Tones, bool]], caption: str) -> None:
    calls, wrong, alone, alone_wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for tones, right in answers:
        calls.update(tones.doubts)
        wrong.update(() if right else tones.doubts)
        if len(tones.doubts) == 1:
            alone.update(tones.doubts)
            alone_wrong.update(() if right else tones.doubts)
    made = table("Doubts", caption, ["doubt"], ["factor", "calls", "wrong", "with no other doubt", "wrong"])
    for doubt, factor in DOUBTS.items():
        figures = (calls[doubt], wrong[doubt], alone[doubt], alone_wrong[doubt])
        made.add_row(doubt, f"{factor:.2f}", *(str(figure) for figure in figures))
    show(made)


def _show_classes(answers: Sequence[tuple[Tones, bool]], caption: str) -> None:
    made = table("Confidence", caption, ["confidence"], ["calls", "wrong", "said, mean", "right, share"])
    highest = confidence(())
    for lowest in _CLASSES:
        held = [(tones, right) for tones, right in answers if lowest <= tones.ring_confidence <= highest]
        highest = lowest - 0.001
        if held:
            said = sum(tones.ring_confidence for tones, _ in held) / len(held)
            rights = sum(right for _, right in held)
            figures = (str(len(held)), str(len(held) - rights), f"{said:.3f}", f"{rights / len(held):.3f}")
            made.add_row(f"{lowest} and more" if lowest else "less", *figures)
    show(made)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

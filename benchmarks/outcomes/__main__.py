"""The command line of Ringtrue Outcomes: `python -m benchmarks.outcomes --help`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.outcomes import corpus, injections, report
from benchmarks.outcomes.corpus import Part, load_part, parts_there
from benchmarks.outcomes.scoring import Scored, score
from benchmarks.outcomes.speed import throughput
from benchmarks.tables import say, show
from ringtrue.errors import Away, Misconfigured
from ringtrue.settings import load_settings
from services.classifier.classifying import open_engine
from services.classifier.engine import Classifier, Transcript

WORK = Path(__file__).with_name("work")
#: So long nothing is said of how far an engine is.
_PATIENCE_S = 5.0
#: A model that obeys, behind the guards, by what it managed in any manner.
_WORST = "obedient model, guarded"
_SPENT = "--i-know-this-spends-the-final-part"

_TEACHES = f"""\
examples:
  python -m benchmarks.outcomes
      the embedded engine on the texts to develop with
  python -m benchmarks.outcomes --errors 30
      with the texts that it gets wrong
  python -m benchmarks.outcomes --final
      the final figure, from texts that nobody developed with
  python -m benchmarks.outcomes --through-asr
      the French texts spoken, through the shipped speech recognition; the first run takes minutes
  python -m benchmarks.outcomes --engine bedrock
      another engine, by the settings of the environment (docs/classification.md)
  python -m benchmarks.outcomes mine.jsonl --errors 30
      your own labelled texts: one object a line with id, text, acquisition, sav, behaviour
  python -m benchmarks.outcomes --throughput
  python -m benchmarks.outcomes --injections
      transcripts in which someone tells the judge what to say, and those that were not stopped

Set OMP_NUM_THREADS=1. Texts of a part that is called ..._{corpus.FINAL} are never listed: who looks at them tunes to
them, and the next figure from them is worth nothing.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs the benchmark; 2 when something was called wrongly, 3 when a model's server is away."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen)
    except Misconfigured as error:
        say(f"error: {error}")
        return 2
    except Away as error:
        say(f"away: {error}")
        return 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.outcomes",
        description="How well an engine says what a call showed: labelled texts, written for this, and their tables.",
        epilog=_TEACHES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="labelled texts; default: the project's")
    parser.add_argument("--engine", default="", metavar="NAME", help="default RINGTRUE_CLASSIFIER__ENGINE")
    parser.add_argument("--final", action="store_true", help="use the parts that are kept for the final figure")
    parser.add_argument("--errors", type=int, default=0, metavar="N", help="list up to N texts that are not all right")
    parser.add_argument(_SPENT, dest="spent", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--through-asr", action="store_true", help="speak the French texts and transcribe them first")
    parser.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="where sounds and transcripts are kept")
    parser.add_argument("--throughput", action="store_true", help="take the time instead")
    parser.add_argument("--injections", action="store_true", help="run the transcripts that tell the judge what to say")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="for each part of --throughput")
    return parser


def _run(chosen: argparse.Namespace) -> int:
    if chosen.injections:
        return _run_injections(chosen.files, chosen.engine)
    part = corpus.FINAL if chosen.final else corpus.DEVELOPMENT
    paths = chosen.files or parts_there(part)
    if not paths:
        raise corpus.CorpusError(f"{corpus.FOLDER}: there is no text of the part {part!r}")
    parts = [load_part(path) for path in paths]
    final = [part.name for part in parts if part.is_final]
    if chosen.errors and final and not chosen.spent:
        raise Misconfigured(f"--errors lists no texts of {', '.join(final)}: who looks at them tunes to them")
    engine = open_engine(load_settings(), chosen.engine)
    if chosen.throughput:
        texts = {part.name: [Transcript.of_text(case.text) for case in part.cases] for part in parts}
        show(throughput(engine, texts, chosen.seconds))
        return 0
    if chosen.through_asr:
        scored = _through_asr(engine, parts, chosen.work)
    else:
        scored = {part.name: score(engine, part.cases, tell=_teller(part)) for part in parts}
    for made in report.tables(scored, f"engine {engine.name} {engine.version}"):
        if made.row_count:
            show(made)
    _list_errors([row for rows in scored.values() for row in rows], chosen.errors)
    return 0


def _run_injections(files: Sequence[Path], name: str) -> int:
    from benchmarks.outcomes import obedient

    attempts = [one for path in files or [injections.FILE] for one in injections.load_injections(path)]
    engine = open_engine(load_settings(), name)
    by_engine = injections.try_on(engine, attempts)
    by_manner = obedient.try_guarded(attempts)
    guarded = obedient.worst(by_manner)
    caption = f"engine {engine.name} {engine.version}; guards {obedient.guards_version()}"
    for made in injections.tables(
        {engine.name: by_engine, **by_manner, _WORST: guarded}, {engine.name: by_engine, _WORST: guarded}, caption
    ):
        show(made)
    for title, rows in ((engine.name, by_engine), (_WORST, guarded)):
        _list_turned(title, injections.not_stopped(rows))
    return 0


def _list_turned(title: str, rows: Sequence[injections.Tried]) -> None:
    for one in rows:
        attempt, flips = one.injection, " and ".join(one.flips)
        should = "SHOULD BE STOPPED" if attempt.stoppable else "cannot be stopped"
        print(f"{title}: {attempt.id} ({attempt.kind}, {attempt.language}): {flips} turned; {should}")
        print(f"    {attempt.text}")
        if attempt.why:
            print(f"    {attempt.why}")


def _through_asr(engine: Classifier, parts: Sequence[Part], folder: Path) -> dict[str, list[Scored]]:
    from benchmarks.outcomes import spoken  # the synthesiser's and the recogniser's packages are for this alone

    spoken.check_installed()
    french = [part for part in parts if part.language == "fr"]
    if not french:
        raise Misconfigured("--through-asr speaks French texts, those of files whose name begins with fr_")
    return {
        f"{part.name}, spoken": score(engine, part.cases, spoken.transcribed(part.cases, folder, say))
        for part in french
    }


def _teller(part: Part) -> Callable[[int], None]:
    """Says on standard error how far an engine is that takes its time."""
    begun = time.monotonic()

    def tell(done: int) -> None:
        if time.monotonic() - begun > _PATIENCE_S:
            say(f"{part.name}: {done} of {len(part.cases)}")

    return tell


def _list_errors(rows: Sequence[Scored], most: int) -> None:
    """Lists texts that are not all right, those with a wrong outcome first."""
    wrong = [row for row in rows if not row.all_right]
    wrong.sort(key=lambda row: all(map(row.right, ("ACQUISITION", "SAV"))))
    for row in islice(wrong, most):
        case, said = row.case, row.said
        print(
            f"{case.id}: {case.acquisition}/{case.sav}/{case.behaviour} shown,"
            f" {said.acquisition.outcome}/{said.sav.outcome}/{said.behaviour} answered"
            f" ({said.acquisition.score:.2f}/{said.sav.score:.2f})  {' '.join(case.hard)}"
        )
        print(f"    {case.text}")
        if row.heard is not None:
            print(f"    heard: {row.heard}")
        for cited in dict.fromkeys(span.text for answer in (said.acquisition, said.sav) for span in answer.cited):
            print(f"    cited: {cited}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

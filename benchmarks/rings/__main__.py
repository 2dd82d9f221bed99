"""The command line of Ringtrue Rings: `python -m benchmarks.rings --help`."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import soundfile

from benchmarks.rings.calls import make_call
from benchmarks.rings.codecs import encoded
from benchmarks.rings.report import tables
from benchmarks.rings.scoring import Scored, append, heard, load, score_all
from benchmarks.tables import say, show
from services.ingest.audio.decode import decode
from services.ingest.audio.tone_plans import AUTO

#: Seeds of calls to develop with begin at 0. These are used for the final figure only: nobody looks at them before. The
#: range before it, from 1,000,000 to 1,004,999, is used up: its misses have been looked at and learnt from.
FINAL_FIRST = 2_000_000
_NEWS_EVERY = 100

_TEACHES = """\
examples:
  python -m benchmarks.rings --calls 300
      a first look, about a minute
  python -m benchmarks.rings --calls 300 --show-misses 20
      with the seeds that were counted wrongly
  python -m benchmarks.rings --seed 41 --write call.wav
      one call: its truth, what was found, and its sound (as it came out of the codec)
  python -m benchmarks.rings --calls 5000 --results rings.jsonl
      the whole benchmark; stopped and started again, it goes on where it was
  python -m benchmarks.rings --calls 5000 --final
      the final figure, from calls that nobody developed with

Set OMP_NUM_THREADS=1. A results file holds what one version of the analysis found, told or not told the country: begin
a new one after a change.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rings",
        description="How well rings are counted: seeded synthetic calls of many countries, codecs and hard cases.",
        epilog=_TEACHES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--calls", type=int, default=500, metavar="N", help="how many calls (default 500)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first call's seed (default 0)")
    parser.add_argument("--final", action="store_true", help="use the seeds that are kept for the final figure")
    parser.add_argument("--auto", action="store_true", help="let the analysis recognise the country by itself")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="calls scored side by side (default 1)")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep scored calls here, and skip those in it")
    parser.add_argument("--show-misses", type=int, default=0, metavar="N", help="list up to N calls counted wrongly")
    parser.add_argument("--seed", type=int, metavar="SEED", help="look at the one call of this seed")
    parser.add_argument("--write", type=Path, metavar="FILE", help="with --seed: write its sound as a WAV file")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        _show_one(chosen.seed, chosen.write)
        return 0
    first = chosen.first + (FINAL_FIRST if chosen.final else 0)
    told = AUTO if chosen.auto else ""
    rows = _scored(range(first, first + chosen.calls), chosen.processes, chosen.results, told)
    kind = "final" if chosen.final else "development"
    country = "country recognised" if chosen.auto else "country told"
    caption = (
        f"seeds {first:,} to {first + chosen.calls - 1:,} ({kind}), {country}; numpy {version('numpy')},"
        f" PyAV {version('av')}"
    )
    for made in tables(rows, caption):
        if made.row_count:
            show(made)
    _show_misses(rows, chosen.show_misses)
    return 0


def _scored(seeds: range, processes: int, results: Path | None, told: str) -> list[Scored]:
    known = {row.seed: row for row in load(results)} if results and results.exists() else {}
    missing = [seed for seed in seeds if seed not in known]
    for number, row in enumerate(score_all(missing, processes, told), 1):
        known[row.seed] = row
        if results:
            append(results, row)
        if number % _NEWS_EVERY == 0:
            say(f"{number} of {len(missing)} calls")
    return [known[seed] for seed in seeds]


def _show_misses(rows: Sequence[Scored], most: int) -> None:
    misses = [row for row in rows if not row.error and row.ring_count is not None and not row.exact]
    misses.sort(key=lambda row: -row.confidence)
    for row in misses[:most]:
        snr = "clean" if row.snr_db is None else f"{row.snr_db} dB"
        print(
            f"seed {row.seed}: {row.counted} counted, {row.ring_count} true, confidence {row.confidence:.2f};"
            f" {row.country} {row.case} {row.ending} {row.codec} {snr} {row.level_dbfs:.0f} dBFS"
        )


def _show_one(seed: int, path: Path | None) -> None:
    truth, sound = make_call(seed)
    print(truth)
    recording = decode(encoded(sound, truth.codec), f"seed {seed}")
    hearing = heard(recording, truth.country)
    print(f"counted {hearing.heard.ring_count}, confidence {hearing.heard.ring_confidence}")
    for ring in hearing.heard.rings:
        print(f"  ring {ring.start_ms:7} to {ring.end_ms:7} ms  {ring.frequency_hz} Hz  {ring.confidence}")
    for tone in hearing.heard.tones:
        print(f"  {tone.kind:4} {tone.start_ms:7} to {tone.end_ms:7} ms")
    if path:
        soundfile.write(path, list(zip(*recording.channels, strict=True)), recording.rate_hz, subtype="PCM_16")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Lets the analysis and the baseline count the rings of a call, and keeps what they found beside the truth.

The analysis is asked as ingest asks it: the coded file goes through `decode`, the recording through `hear_many` with
the call's country. Speech detection is left out (a detector that hears nobody stands in): it has no part in counting.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.rings.baseline import count_rings
from benchmarks.rings.calls import Truth, make_call
from benchmarks.rings.codecs import DELAYS_MS, encoded
from ringtrue.errors import RingtrueError
from services.ingest.audio.decode import Recording, decode
from services.ingest.audio.hearing import Hearing, HearingSettings, hear_many
from services.ingest.audio.resample import resampled
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ
from services.ingest.audio.speech import Region, SpeechDetector
from services.ingest.audio.tone_plans import plans_for, tone_plans
from services.ingest.audio.tones import find_tones

#: Every so many calls the tone analysis is timed by itself.
_TIMED_EVERY = 5
#: Kinds by which the analysis may name a tone of the truth; a network with one rhythm for both says either.
_NAMES = {
    "busy": ("busy", "congestion"),
    "congestion": ("busy", "congestion"),
    "sit": ("sit",),
    "fax": ("fax", "cng", "ced", "modem"),
    "dtmf": ("dtmf",),
    "voicemail": ("voicemail",),
    "music": ("music",),
}


@dataclass(frozen=True, slots=True)
class Scored:
    """One call: its truth in short, and what was found.

    `ring_count` is None where nobody can count. `end_error_ms` is that of the last ring where the count is exact.
    `named` maps each kind of other tone in the call to whether it was found by that name. `analysis_s` is CPU time of
    the tone analysis alone, 0 where it was not timed. `error` says why a call could not be scored.
    """

    seed: int
    country: str
    case: str
    ending: str
    codec: str
    snr_db: int | None
    level_dbfs: float
    seconds: float
    ring_count: int | None
    counted: int = 0
    confidence: float = 0.0
    end_error_ms: float | None = None
    voicemail: bool = False
    voicemail_heard: bool | None = None
    named: tuple[tuple[str, bool], ...] = ()
    baseline: int = 0
    analysis_s: float = 0.0
    error: str = ""

    @property
    def exact(self) -> bool:
        """Whether the count is the truth."""
        return self.counted == self.ring_count


class _HearsNobody:
    """Stands in for the speech network."""

    def regions(self, channels: Sequence[object]) -> list[list[Region]]:
        return [[] for _ in channels]


def scored(seed: int, told: str = "") -> Scored:
    """Makes the call of a seed and scores it. The analysis is `told` this country, or the call's own."""
    truth, sound = make_call(seed)
    if truth.country not in tone_plans():
        return replace(_about(truth), error="no tone plan for this country")
    try:
        recording = decode(encoded(sound, truth.codec), f"seed {seed}")
        hearing = heard(recording, told or truth.country)
    except RingtrueError as error:
        return replace(_about(truth), error=str(error))
    return _judged(truth, hearing, recording, told or truth.country)


def heard(recording: Recording, country: str) -> Hearing:
    """What ingest hears in a recording, speech left out."""
    detector = cast(SpeechDetector, _HearsNobody())
    return hear_many([recording], HearingSettings(country=country), detector)[0]


def score_all(seeds: Iterable[int], processes: int, told: str = "") -> Iterator[Scored]:
    """Scores calls side by side; they come in the order of the seeds. For `told` see `scored`."""
    score = partial(scored, told=told)
    if processes == 1:
        yield from map(score, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(score, seeds, chunksize=4)


def load(path: Path) -> list[Scored]:
    """Calls scored before, from a file that `append` wrote."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Scored(**{**row, "named": tuple((kind, found) for kind, found in row["named"])}) for row in rows]


def append(path: Path, row: Scored) -> None:
    """Adds a scored call to a file of JSON lines."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def _about(truth: Truth) -> Scored:
    return Scored(
        seed=truth.seed,
        country=truth.country,
        case=truth.case,
        ending=truth.ending,
        codec=truth.codec,
        snr_db=truth.snr_db,
        level_dbfs=truth.level_dbfs,
        seconds=truth.duration_ms / 1000,
        ring_count=truth.ring_count,
    )


def _judged(truth: Truth, hearing: Hearing, recording: Recording, told: str) -> Scored:
    found = hearing.heard
    end_error = None
    if truth.rings and found.ring_count == truth.ring_count and found.last_ring_end_ms is not None:
        end_error = found.last_ring_end_ms - DELAYS_MS.get(truth.codec, 0.0) - truth.rings[-1][1]
    return replace(
        _about(truth),
        counted=found.ring_count or 0,
        confidence=found.ring_confidence or 0.0,
        end_error_ms=end_error,
        voicemail=any(kind == "voicemail" for kind, _, _ in truth.tones),
        voicemail_heard=found.voicemail_tone,
        named=tuple(sorted(_named(truth, hearing).items())),
        baseline=_baseline(recording),
        analysis_s=_timed(recording, told) if truth.seed % _TIMED_EVERY == 0 else 0.0,
    )


def _named(truth: Truth, hearing: Hearing) -> dict[str, bool]:
    """For each kind of tone in the call whether one of them was found by its name, at its time."""
    named: dict[str, bool] = {}
    found = [tone for channel in hearing.tones for tone in channel.other]
    for kind, start, end in truth.tones:
        # A beep after no ring may be anything (domain.md).
        if kind in _NAMES and (kind != "voicemail" or truth.rings):
            hit = any(tone.kind in _NAMES[kind] and tone.start_ms < end and start < tone.end_ms for tone in found)
            named[kind] = named.get(kind, False) or hit
    return named


def _baseline(recording: Recording) -> int:
    """The script mixes down, as it always did."""
    mixed = np.mean([channel.astype(np.float32) for channel in recording.channels], axis=0).astype(np.int16)
    return count_rings(mixed, recording.rate_hz)


def _timed(recording: Recording, country: str) -> float:
    channels = [resampled(channel, recording.rate_hz, ANALYSIS_RATE_HZ) for channel in recording.channels]
    plans = plans_for(country)
    start = time.process_time()
    for channel in channels:
        find_tones(channel, ANALYSIS_RATE_HZ, plans)
    return time.process_time() - start

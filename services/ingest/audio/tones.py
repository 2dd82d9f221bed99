"""The tones of one channel: rings, the voicemail tone, busy and congestion, keys, fax and special information tones.

`spectrum` finds steady bursts of the sounds that the plans and `signals` name, `cadence` reads which of them are rings
and how sure their count is; here the two meet, and the plan that explains the call best is taken. A count of zero is
doubted when the call begins with something that may be ringing of another kind (`music`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from ringtrue.messages import Ring, Tone
from services.ingest.audio import cadence
from services.ingest.audio.cadence import Ringing
from services.ingest.audio.doubts import confidence
from services.ingest.audio.music import begins_with_music, is_amid_music
from services.ingest.audio.resample import Samples, resampled
from services.ingest.audio.rhythm import fast_tones
from services.ingest.audio.signals import SIGNALS, beeps_in, named_signals
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, Burst, Sound, find_bursts
from services.ingest.audio.tone_plans import TonePlan, ToneSpec

#: How far a plan's tone may be off, a part of its frequency. Networks keep within 1 %; 2.5 % leaves room for a recorder
#: with a bad clock and still tells 425 Hz from 440.
TOLERANCE = 0.025


@dataclass(frozen=True, slots=True)
class Tones:
    """What tone analysis found in a channel.

    `voicemail_tone` is None when such a tone sounds but no ring was heard before it, so that it is not known what it
    was. `other` holds every other tone, rings too short to count among them: none of them is speech. `country` is the
    plan by which the channel was read; None when several could have been and nothing told which. `doubts` are what made
    the count less than sure, keys of `doubts.DOUBTS`.
    """

    rings: tuple[Ring, ...]
    ring_confidence: float
    voicemail_tone: bool | None
    other: tuple[Tone, ...]
    country: str | None = None
    doubts: frozenset[str] = frozenset()

    @property
    def ring_count(self) -> int:
        """The number of rings."""
        return len(self.rings)

    @property
    def regions(self) -> list[tuple[int, int]]:
        """Start and end of every ring and tone, ms."""
        rings = [(ring.start_ms, ring.end_ms) for ring in self.rings]
        return rings + [(tone.start_ms, tone.end_ms) for tone in self.other]

    @property
    def last_ring_end_ms(self) -> int | None:
        """Where the ringing ends."""
        return self.rings[-1].end_ms if self.rings else None


def find_tones(samples: Samples, rate_hz: int, plans: TonePlan | Sequence[TonePlan]) -> Tones:
    """Analyses one channel by the tone plan of a country, or by the one of several that explains it best.

    Args:
        samples: The channel.
        rate_hz: Its sampling rate.
        plans: The plan, or several, the likeliest first.
    """
    plans = (plans,) if isinstance(plans, TonePlan) else tuple(plans)
    samples = resampled(samples, rate_hz, ANALYSIS_RATE_HZ)
    of_plans = dict.fromkeys(_sound(spec) for plan in plans for spec in (*plan.rings, *plan.not_rings.values()))
    found = find_bursts(samples, [*of_plans, *SIGNALS])
    bursts = dict(zip(of_plans, found[: len(of_plans)], strict=True))
    signals = named_signals(found[len(of_plans) :])
    beeps = beeps_in(found[len(of_plans) :])
    explained = [(tone.start_ms, tone.end_ms) for tone in signals] + [(beep.start_ms, beep.end_ms) for beep in beeps]

    @cache
    def amid_music(start_ms: int, end_ms: int, besides: tuple[cadence.Region, ...]) -> bool:
        return is_amid_music(samples, start_ms, end_ms, [*explained, *besides])

    plan, ringing, others = _read(bursts, plans, amid_music)
    last_ring_end = ringing.rings[-1].end_ms if ringing.rings else 0
    beeps = [beep for beep in beeps if beep.start_ms >= last_ring_end]
    kind = "voicemail" if ringing.rings else "other"
    others += [*signals, *(Tone(kind=kind, start_ms=beep.start_ms, end_ms=beep.end_ms) for beep in beeps)]
    doubts = ringing.doubts
    if not ringing.rings and begins_with_music(samples, [(tone.start_ms, tone.end_ms) for tone in others]):
        doubts |= {"music"}
    return Tones(
        rings=ringing.rings,
        ring_confidence=confidence(doubts),
        voicemail_tone=bool(beeps) if ringing.rings or not beeps else None,
        other=tuple(sorted(others, key=lambda tone: tone.start_ms)),
        country=plan.country if len(plans) == 1 or ringing.fit > 0 else None,
        doubts=doubts,
    )


def _read(
    bursts: dict[Sound, list[Burst]], plans: Sequence[TonePlan], amid_music: cadence.AmidMusic
) -> tuple[TonePlan, Ringing, list[Tone]]:
    """The plan that explains the bursts best, how it reads them, and what it names of them that is no ring."""
    sources: list[tuple[TonePlan, list[Tone]]] = []
    readings: list[Ringing] = []
    for plan in plans:
        for ring in plan.rings:
            # A network with one frequency has it for all of its tones, the other one of two that are in use too.
            alike = {kind: spec for kind, spec in plan.not_rings.items() if _is_single(spec) and _is_single(ring)}
            elsewhere = {kind: spec for kind, spec in plan.not_rings.items() if kind not in alike}
            named = _fast_tones(bursts, elsewhere)
            regions = [(tone.start_ms, tone.end_ms) for tone in named]
            for reading in cadence.readings(bursts[_sound(ring)], ring, alike, regions, amid_music):
                sources.append((plan, named))
                readings.append(replace(reading, fit=reading.fit + cadence.NAMED_FIT * len(named)))
    place, best = cadence.best_of(readings)
    plan, named = sources[place]
    return plan, best, [*best.others, *named]


def _fast_tones(bursts: dict[Sound, list[Burst]], specs: dict[str, ToneSpec]) -> list[Tone]:
    """Busy and congestion tones that do not sound like the ringing tone."""
    tones = []
    for sound in dict.fromkeys(_sound(spec) for spec in specs.values()):
        named = {kind: spec for kind, spec in specs.items() if _sound(spec) == sound}
        for index, kind in fast_tones(bursts[sound], named).items():
            burst = bursts[sound][index]
            tones.append(Tone(kind=kind, start_ms=burst.start_ms, end_ms=burst.end_ms))
    return tones


def _is_single(spec: ToneSpec) -> bool:
    return len(spec.partials_hz) == 1


def _sound(spec: ToneSpec) -> Sound:
    return Sound(spec.partials_hz, TOLERANCE)

"""The tones of one channel: rings, the voicemail tone, busy and congestion.

`spectrum` finds steady bursts at the frequencies of the country's plan, `cadence` reads which of them are rings and how
sure their count is; here the two meet, and the voicemail tone is looked for after the last ring.
"""

from dataclasses import dataclass

from ringtrue.messages import Ring, Tone
from services.ingest.audio import cadence
from services.ingest.audio.resample import Samples, resampled
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, Burst, Component, find_bursts
from services.ingest.audio.tone_plans import TonePlan, ToneSpec

#: Networks keep within 1 %; this leaves room for a recorder with a bad clock and still tells 425 Hz from 440.
_FREQUENCY_TOLERANCE = 0.025
#: Voicemail and network tones (domain.md): about 0.3 s. A voice passes here too, but never so steadily and alone.
_VOICEMAIL: tuple[Component, ...] = ((590.0, 650.0),)
_VOICEMAIL_MS = (150, 700)
_VOICEMAIL_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Tones:
    """What tone analysis found in a channel.

    `voicemail_tone` is None when such a tone sounds but no ring was heard before it, so that it is not known what it
    was. `other` holds every other tone, rings too short to count among them: none of them is speech.
    """

    rings: tuple[Ring, ...]
    ring_confidence: float
    voicemail_tone: bool | None
    other: tuple[Tone, ...]

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


def find_tones(samples: Samples, rate_hz: int, plan: TonePlan) -> Tones:
    """Analyses one channel by the tone plan of a country."""
    samples = resampled(samples, rate_hz, ANALYSIS_RATE_HZ)
    not_rings = {"busy": plan.busy, "congestion": plan.congestion}
    heard_as_ring = {kind: spec for kind, spec in not_rings.items() if _components(spec) == _components(plan.ring)}
    elsewhere = {kind: spec for kind, spec in not_rings.items() if kind not in heard_as_ring}
    sounds = [*dict.fromkeys(_components(spec) for spec in (plan.ring, *elsewhere.values())), _VOICEMAIL]
    bursts = dict(zip(sounds, find_bursts(samples, sounds), strict=True))
    ringing = cadence.read_ringing(bursts[_components(plan.ring)], plan.ring, heard_as_ring)
    others = list(ringing.others)
    for sound in sounds[1:-1]:
        named = {kind: spec for kind, spec in elsewhere.items() if _components(spec) == sound}
        others += [
            Tone(kind=kind, start_ms=bursts[sound][index].start_ms, end_ms=bursts[sound][index].end_ms)
            for index, kind in cadence.fast_tones(bursts[sound], named).items()
        ]
    last_ring_end = ringing.rings[-1].end_ms if ringing.rings else 0
    beeps = [burst for burst in bursts[_VOICEMAIL] if _is_beep(burst) and burst.start_ms >= last_ring_end]
    kind = "voicemail" if ringing.rings else "other"
    others += [Tone(kind=kind, start_ms=beep.start_ms, end_ms=beep.end_ms) for beep in beeps]
    return Tones(
        rings=ringing.rings,
        ring_confidence=ringing.confidence,
        voicemail_tone=bool(beeps) if ringing.rings or not beeps else None,
        other=tuple(sorted(others, key=lambda tone: tone.start_ms)),
    )


def _components(spec: ToneSpec) -> tuple[Component, ...]:
    return tuple(
        (hertz * (1 - _FREQUENCY_TOLERANCE), hertz * (1 + _FREQUENCY_TOLERANCE)) for hertz in spec.frequencies_hz
    )


def _is_beep(burst: Burst) -> bool:
    shortest, longest = _VOICEMAIL_MS
    return shortest <= burst.length_ms <= longest and burst.share >= _VOICEMAIL_SHARE

"""Named tones that are neither ringing nor busy tones, and sound alike in every country.

| kind | what | source |
|---|---|---|
| `sit` | special information tone: 950, 1400, 1800 Hz in turn, 330 ms each | ITU-T E.180 |
| `dtmf` | a key pressed: one of four low and one of four high frequencies together | ITU-T Q.23, Q.24 |
| `cng` | a calling fax: 1100 Hz for 0.5 s every 3.5 s | ITU-T T.30 |
| `ced` | an answering fax or modem: 2100 Hz for 2.6 to 4 s | ITU-T T.30, V.25 |
| beep | voicemail or network tone: 590 to 650 Hz for about 0.3 s | domain.md |

A voice passes through all of these frequencies, but never so steadily and so alone (`spectrum`). Lengths are those of
the recommendations and a little more, for what codecs and the 20 ms cells do to them.
"""

import itertools
from collections.abc import Sequence

from ringtrue.messages import Tone
from services.ingest.audio.spectrum import CELL_MS, Burst, Sound

#: So much of all that is heard must be the tone: 10 dB SNR leaves 0.9. Less does where more than one burst must fit.
_LEAST_SHARE, _LEAST_SHARE_IN_TURN = 0.8, 0.5


def _signal(
    *partials_hz: float, tolerance: float, ms: tuple[int, int], closed_cells: int = 5, share: float = _LEAST_SHARE
) -> Sound:
    shortest, longest = (length // CELL_MS for length in ms)
    return Sound(partials_hz, tolerance, shortest, longest, closed_cells, share)


#: Where voicemail and network tones lie (domain.md); they are listened for from 1 Hz below to 1 Hz above.
BEEP_HZ = (590.0, 650.0)
_BEEP = _signal(sum(BEEP_HZ) / 2, tolerance=0.05, ms=(150, 700))
#: E.180 allows 50 Hz, and 260 to 400 ms; North America's are 914 or 985, 1371 or 1429 and 1777 Hz, 274 or 380 ms.
_SIT_MS, _SIT_GAP_MS = (220, 440), (-60, 80)
_SIT = (
    _signal(950.0, tolerance=0.055, ms=_SIT_MS, share=_LEAST_SHARE_IN_TURN),
    _signal(1400.0, tolerance=0.037, ms=_SIT_MS, share=_LEAST_SHARE_IN_TURN),
    _signal(1800.0, tolerance=0.029, ms=_SIT_MS, share=_LEAST_SHARE_IN_TURN),
)
#: T.30: 38 Hz and 15 % of 0.5 s; 15 Hz of 2100, and here one half of the shortest 2.6 s, for recordings cut it.
_CNG = _signal(1100.0, tolerance=0.035, ms=(400, 600))
_CED = _signal(2100.0, tolerance=0.015, ms=(1_300, 5_000))
#: Q.24 accepts keys from 40 ms on, and 1.8 % off; here from 60 ms on. Keys follow each other after 40 ms at the least.
_DTMF = tuple(
    _signal(low, high, tolerance=0.025, ms=(60, 5_000), closed_cells=1)
    for low in (697.0, 770.0, 852.0, 941.0)
    for high in (1209.0, 1336.0, 1477.0, 1633.0)
)

#: Every sound that must be looked for, in the order in which `named_signals` and `beeps_in` take their bursts.
SIGNALS = (_BEEP, *_SIT, _CNG, _CED, *_DTMF)


def beeps_in(bursts: Sequence[Sequence[Burst]]) -> list[Burst]:
    """The bursts that may be a voicemail or network tone, by start. Takes the bursts of `SIGNALS`."""
    return list(bursts[0])


def named_signals(bursts: Sequence[Sequence[Burst]]) -> list[Tone]:
    """Special information tones, keys and fax tones. Takes the bursts of `SIGNALS`."""
    _, *sit, cng, ced = bursts[: -len(_DTMF)]
    keys = itertools.chain.from_iterable(bursts[-len(_DTMF) :])
    return [
        *_information_tones(*sit),
        *(_tone("cng", burst) for burst in cng),
        *(_tone("ced", burst) for burst in ced),
        *(_tone("dtmf", burst) for burst in keys),
    ]


def _information_tones(low: Sequence[Burst], middle: Sequence[Burst], high: Sequence[Burst]) -> list[Tone]:
    found = []
    for first, second, third in itertools.product(low, middle, high):
        in_turn = all(
            _SIT_GAP_MS[0] <= after.start_ms - before.end_ms <= _SIT_GAP_MS[1]
            for before, after in ((first, second), (second, third))
        )
        if in_turn:
            found.append(Tone(kind="sit", start_ms=first.start_ms, end_ms=third.end_ms))
    return found


def _tone(kind: str, burst: Burst) -> Tone:
    return Tone(kind=kind, start_ms=burst.start_ms, end_ms=burst.end_ms)

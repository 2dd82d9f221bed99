"""Audio cut into what the model hears at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.asr.audio import RATE_HZ

#: Less audio than this holds no word; OpenAI's service refuses it, too.
LEAST_SAMPLES: Final = RATE_HZ // 10
#: Audio that never leaves half a step of 16 bits around one value is digital silence.
QUIET: Final = 2.0**-15
#: A cut is sought in the last of so many parts of a window: in the last 5 of 30 s.
_SOUGHT_IN: Final = 6
#: Samples that must be quiet for a cut: 200 ms.
_PAUSE: Final = RATE_HZ // 5


def windows(wave: NDArray[np.float32], longest: int) -> list[tuple[int, int]]:
    """Begin and end of the windows that a recording is heard in, in samples: end to end, none longer than `longest`.

    What fits is one window. Longer audio is cut in the middle of the quietest 200 ms in the last sixth of each window,
    so that each can be heard for itself: no text runs from one window on into the next, and neither does a loop.

    Args:
        wave: 16 kHz samples.
        longest: Samples of a window; more than six pauses of 200 ms.
    """
    cuts = [0]
    while len(wave) - cuts[-1] > longest:
        end = cuts[-1] + longest
        begin = end - longest // _SOUGHT_IN
        energy = np.concatenate([[0.0], np.square(wave[begin:end], dtype=np.float64)]).cumsum()
        cuts.append(begin + int(np.argmin(energy[_PAUSE:] - energy[:-_PAUSE])) + _PAUSE // 2)
    return [*zip(cuts, [*cuts[1:], len(wave)], strict=True)]


def holds_sound(wave: NDArray[np.float32]) -> bool:
    """Whether there is anything to hear: at least 100 ms, and no digital silence, about which no model is asked.

    Whisper is known to write sentences into silence, some so surely that its own guards let them through.
    """
    return len(wave) >= LEAST_SAMPLES and float(np.ptp(wave)) > QUIET

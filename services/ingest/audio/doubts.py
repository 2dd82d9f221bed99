"""What makes a count of rings less than sure, and how much.

The confidence of a count is a plain product: 0.99, and a factor for each kind of doubt that was met (`DOUBTS`). Any
serious doubt takes it below 0.9, which compliance treats as an unknown count.
"""

import math
from collections.abc import Iterable

CERTAIN = 0.99
#: What each doubt leaves of a count's confidence. `single`, `shortened`, `alone`, `suspect` and `near_half` follow the
#: share of calls with that doubt that were counted right (benchmarks.rings, development calls, which
#: `benchmarks.ring_doubts` prints); the others are estimates. One that means "somebody should listen" leaves less than
#: 0.9, however seldom it is right.
DOUBTS = {
    "single": 0.98,  # one ring only: no interval confirms the cadence
    "shortened": 0.98,  # the last ring is short; the answer does that
    "separate": 0.95,  # a second ringing in the same recording; estimated
    "alone": 0.95,  # a short burst, neither at the start nor one period after a ring
    "weak": 0.9,  # much else sounds in a ring; estimated
    "suspect": 0.88,  # a tone that might be a ring, or two, or a busy tone
    "crowded": 0.85,  # a ring begins out of another sound as loud, like a note; estimated
    "fading": 0.85,  # a ring's level is not the same at its end as at its start; estimated
    "wandering": 0.85,  # a ring's pitch slides or trembles, like a whistled note's; estimated
    "damaged": 0.85,  # a short ring among whole ones; estimated
    "near_half": 0.7,  # whether one half was heard lies within the error of measurement
    "irregular": 0.6,  # an interval that is not the cadence's; estimated
    "cadences_differ": 0.6,  # the count depends on which cadence, or which country's, it is; estimated
    "music": 0.6,  # no ring, but the call begins with music or tones of no plan: it may have rung so
    "missing": 0.5,  # room for a ring between two rings; estimated
}


def confidence(doubts: Iterable[str]) -> float:
    """0.99, times the factor of each kind of doubt."""
    return round(CERTAIN * math.prod(DOUBTS[doubt] for doubt in sorted(set(doubts))), 3)

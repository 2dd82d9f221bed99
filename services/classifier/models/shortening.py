"""Which words of a long call a model is shown: its beginning, its end, and what stands around the lexicon's phrases.

A call is decided where it begins (who picked up) and where it ends (what was agreed); what lies between counts where
something was said that the lexicon knows. The rule is fixed, so the same call is always shown the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ringtrue.messages import Word
from services.classifier.reading import Reading, Sign

#: Shares of what may be shown.
_HEAD, _TAIL = 0.25, 0.3
#: Words that are shown on both sides of a phrase.
_AROUND: Final = 8


def shown_words(words: Sequence[Word], reading: Reading, most: int) -> list[int]:
    """The numbers of the words to show, in rising order: all of them, or `most` at most."""
    if len(words) <= most:
        return list(range(len(words)))
    whole = set(range(len(words)))
    tail = int(most * _TAIL)
    kept = {*range(int(most * _HEAD)), *range(len(words) - tail, len(words))}
    # The surest first: when there is no room for all, these decide.
    for sign in sorted(reading.signs, key=lambda sign: -sign.weight):
        places = places_of(sign, words)
        around = {near for place in places for near in range(place - _AROUND, place + _AROUND + 1)}
        for wanted in (around & whole, set(places)):
            if len(kept | wanted) <= most:
                kept |= wanted
                break
    for place in range(len(words)):
        if len(kept) >= most:
            break
        kept.add(place)
    return sorted(kept)


def places_of(sign: Sign, words: Sequence[Word]) -> list[int]:
    """The numbers of the words that a sign covers."""
    return [
        place
        for place, word in enumerate(words)
        if word.channel == sign.channel and sign.span.start_ms <= word.start_ms and word.end_ms <= sign.span.end_ms
    ]

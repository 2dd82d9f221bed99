"""What a call shows beside its outcome, as far as phrases tell: who was reached, an appointment, a reason, a language.

Everything is cited from the transcript; what no phrase tells stays None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ringtrue.messages import Shown, Span, Word
from ringtrue.outcomes import Outcome
from services.classifier.lexicon import (
    AGREED,
    APPOINTMENT,
    ASIDE,
    BECAUSE,
    FINAL,
    HANDOVER,
    NO_MORE_CALLS,
    OPENING,
    THIRD_PARTY,
    VOICEMAIL,
    Lexicon,
)
from services.classifier.reading import Reading, Sign, span_of

#: A reason is told in so many words after "because".
_REASON_WORDS = 8
_ARABIC = re.compile(r"[\u0600-\u06ff]")
#: Of a language in the other's script this part of the words makes the call a mixed one.
_MIXED = 0.2
#: Darija in Latin letters writes the sounds that these lack as digits within words: "3la", "ma b9itch".
_ARABIZI = re.compile(r"(?i)\b(?=\w*[a-z])\w*[235679]\w*\b")


def shown(reading: Reading, words: Sequence[Word], outcomes: Sequence[int], lexicon: Lexicon) -> Shown:
    """What a reading of the words shows, given the outcomes that it was classified as."""
    appointment, agreed = _appointment(reading, Outcome.POSTPONED in outcomes)
    reached, by = _reached(reading, outcomes)
    return Shown(
        reached=reached,
        reached_by=by.span if by else None,
        appointment=appointment.span if appointment else None,
        appointment_agreed=agreed,
        reason=_reason(reading),
        no_more_calls=next((sign.span for sign in reading.of(NO_MORE_CALLS)), None),
        language=_language(reading, words, lexicon),
    )


def _reached(reading: Reading, outcomes: Sequence[int]) -> tuple[str | None, Sign | None]:
    if not reading.spoken:
        return "nobody", None
    if Outcome.UNREACHABLE in outcomes or Outcome.SILENCE in outcomes:
        for kinds, who in (((VOICEMAIL,), "voicemail"), ((FINAL, OPENING), "announcement")):
            if signs := reading.of(*kinds):
                return who, signs[0]
        return "nobody", None
    if (others := reading.of(THIRD_PARTY)) and not reading.of(HANDOVER):
        return "other_person", others[0]
    return (None if set(outcomes) == {Outcome.NOT_CLASSIFIED} else "client"), None


def _appointment(reading: Reading, is_postponed: bool) -> tuple[Sign | None, bool | None]:
    """The longest time to come that was named, where it was agreed to or the call was put off to it."""
    asides = reading.of(ASIDE)
    named = [
        sign
        for sign in reading.of(APPOINTMENT)
        if not any(sign.channel == aside.channel and sign.match.meets(aside.match) for aside in asides)
    ]
    if not named:
        return None, None
    sign = max(named, key=lambda sign: (len(sign.tokens), sign.span.start_ms))
    agreed = any(sign.precedes(yes) or sign.span.end_ms < yes.span.start_ms for yes in reading.of(AGREED))
    return (sign, agreed or None) if agreed or is_postponed else (None, None)


def _reason(reading: Reading) -> Span | None:
    """What was said after the first "because"."""
    for sign in reading.of(BECAUSE):
        # A word of several tokens stands there once for each.
        after = reading.words[sign.channel][sign.match.end :]
        if len(after) > 1:
            return span_of(list({id(word): word for word in after}.values())[:_REASON_WORDS])
    return None


def _language(reading: Reading, words: Sequence[Word], lexicon: Lexicon) -> str | None:
    if not reading.spoken:
        return None
    arabic = sum(bool(_ARABIC.search(word.text)) for word in words)
    arabizi = sum(bool(_ARABIZI.search(word.text)) for word in words)
    french, english = (len(reading.vocabulary & lexicon.words_of(language)) for language in ("fr", "en"))
    darija = (arabic + arabizi) / len(words)
    if darija >= 1 - _MIXED or (arabizi and not arabic and french <= arabizi):
        return "ary"
    if darija > _MIXED:
        return "mixed"
    if not french and not english:
        return "ary" if darija else None
    return "en" if english > french else "fr"

"""What a model may answer, and how its answer is read: strictly, for it may be what someone in the call told it to say.

The structured form is one JSON object of closed keys and values, in which every outcome names the words that it rests
on. A citation names numbers of words and repeats the words; they must stand there. The plain form, for models that
manage no more, is two digits: the outcome among SAV's codes and the behaviour; one digit means good behaviour. It cites
nothing, and holds ACQUISITION's outcome only where that follows (see `FOLLOWS`). Each form is accepted only where it
was asked for: digits in place of the object would be a way around the citations.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ringtrue.outcomes import BAD, CODES, GOOD, NOBODY_REACHED, Outcome
from services.classifier.models.document import Document

Language = Literal["fr", "ary", "ar", "en", "mixed", "unknown"]
Reached = Literal["client", "other_person", "voicemail", "announcement", "nobody", "unknown"]
Agreed = Literal["yes", "no", "unknown"]

#: The tokens that an answer may have: an object with a few citations; two digits and what a tokenizer adds to them.
STRUCTURED_TOKENS: Final = 700
PLAIN_TOKENS: Final = 8

#: By the outcome for SAV, those that the same call can have for ACQUISITION (domain.md, Outcomes): refusal counts
#: before everything, postponement before closed premises only, and what ACQUISITION does not know is another matter.
FOLLOWS: Final[Mapping[Outcome, frozenset[Outcome]]] = {
    Outcome.SILENCE: frozenset({Outcome.SILENCE}),
    Outcome.REFUSED: frozenset({Outcome.REFUSED}),
    Outcome.POSTPONED: frozenset({Outcome.POSTPONED}),
    Outcome.UNREACHABLE: frozenset({Outcome.UNREACHABLE}),
    Outcome.OTHER: frozenset({Outcome.OTHER}),
    Outcome.NO_EQUIPMENT: frozenset({Outcome.POSTPONED, Outcome.OTHER}),
    Outcome.ABSENT: frozenset({Outcome.POSTPONED, Outcome.OTHER}),
    Outcome.CLOSED: frozenset({Outcome.OTHER}),
}

_CITATIONS: Final = 5
#: A citation that is longer shows nothing.
_CITED_WORDS: Final = 40
_LONGEST_ANSWER: Final = 20_000
_PLAIN: Final = re.compile(r"([0-7])([01]?)")
_FENCED: Final = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
#: Who was reached when nobody was.
_MACHINES: Final = frozenset({"voicemail", "announcement", "nobody"})
#: Only the account holder can do these.
_HOLDERS_OWN: Final = frozenset({Outcome.REFUSED, Outcome.POSTPONED})


class Unusable(Exception):
    """This is no answer.

    Args:
        reason: What is wrong with it: a few words of ours, none of the call's or the model's.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words of a call, from the first number to the last."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Given:
    """What a model answered.

    Attributes:
        acquisition: The outcome among ACQUISITION's codes; `NOT_CLASSIFIED` where the plain form does not hold it.
        sav: The outcome among SAV's.
        acquisition_words: What it rests on.
        sav_words: What it rests on.
        behaviour: 1 good or neutral, 0 bad.
        cites: Whether this is the form that cites.
        language: None where it is not known; so are the facts behind it.
    """

    acquisition: Outcome
    sav: Outcome
    behaviour: int
    acquisition_words: tuple[Stretch, ...] = ()
    sav_words: tuple[Stretch, ...] = ()
    cites: bool = False
    language: str | None = None
    reached: str | None = None
    reached_by: Stretch | None = None
    appointment: Stretch | None = None
    appointment_agreed: bool | None = None
    reason: Stretch | None = None
    no_more_calls: Stretch | None = None


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Citation(_Part):
    first: Annotated[int, Field(ge=0)]
    last: Annotated[int, Field(ge=0)]
    quote: str | None = None


_Citations = Annotated[list[_Citation], Field(max_length=_CITATIONS)]


class _Answer(_Part):
    """The structured form; its fields in the order in which a model shall think."""

    language: Language
    reached: Reached
    reached_words: _Citations
    appointment_words: _Citations
    appointment_agreed: Agreed
    reason_words: _Citations
    no_more_calls_words: _Citations
    acquisition_words: _Citations
    acquisition: Annotated[int, Field(ge=0, le=4)]
    sav_words: _Citations
    sav: Annotated[int, Field(ge=0, le=7)]
    behaviour_words: _Citations
    behaviour: Annotated[int, Field(ge=0, le=1)]


def schema() -> dict[str, Any]:
    """The JSON schema of the structured form, of such parts only as every server knows."""
    citation = {
        "type": "object",
        "properties": {"first": {"type": "integer"}, "last": {"type": "integer"}, "quote": {"type": "string"}},
        "required": ["first", "last", "quote"],
        "additionalProperties": False,
    }
    closed = {
        "language": list(get_args(Language)),
        "reached": list(get_args(Reached)),
        "appointment_agreed": list(get_args(Agreed)),
        "acquisition": sorted(int(code) for code in CODES["ACQUISITION"]),
        "sav": sorted(int(code) for code in CODES["SAV"]),
        "behaviour": [BAD, GOOD],
    }
    properties = {
        name: {"type": "integer" if isinstance(closed[name][0], int) else "string", "enum": closed[name]}
        if name in closed
        else {"type": "array", "items": citation}
        for name in _Answer.model_fields
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_structured(text: str, document: Document, *, was_kept: bool = False) -> Given:
    """Reads the structured form; a fence of Markdown around it makes no difference.

    Args:
        text: The answer.
        document: What was asked about.
        was_kept: It was read before, and is kept without its quotes.

    Raises:
        Unusable: It is anything else, cites what does not stand there, or contradicts itself.
    """
    answer = _parsed(text)
    cited = {
        name: tuple(_stretch(citation, document, was_kept=was_kept) for citation in getattr(answer, name))
        for name in _Answer.model_fields
        if name.endswith("_words")
    }
    given = Given(
        acquisition=Outcome(answer.acquisition),
        sav=Outcome(answer.sav),
        behaviour=answer.behaviour,
        acquisition_words=cited["acquisition_words"],
        sav_words=cited["sav_words"],
        cites=True,
        language=_known(answer.language),
        reached=_known(answer.reached),
        reached_by=_first(cited["reached_words"]),
        appointment=_first(cited["appointment_words"]),
        appointment_agreed={"yes": True, "no": False}.get(answer.appointment_agreed),
        reason=_first(cited["reason_words"]),
        no_more_calls=_first(cited["no_more_calls_words"]),
    )
    _check(given, rude=bool(cited["behaviour_words"]))
    return given


def read_plain(text: str) -> Given:
    """Reads the plain form.

    Raises:
        Unusable: It is anything but two digits, or one.
    """
    found = _PLAIN.fullmatch(text.strip())
    if not found:
        raise Unusable("not two digits")
    sav = Outcome(int(found[1]))
    follows = FOLLOWS[sav]
    return Given(
        acquisition=next(iter(follows)) if len(follows) == 1 else Outcome.NOT_CLASSIFIED,
        sav=sav,
        behaviour=int(found[2] or GOOD),
    )


def without_quotes(text: str) -> str:
    """A structured answer that was read, without the words that it repeats: nothing of the call is left in it."""
    answer = _parsed(text)
    return json.dumps(answer.model_dump(exclude={name: {"__all__": {"quote"}} for name in _cited()}))


def _cited() -> list[str]:
    return [name for name in _Answer.model_fields if name.endswith("_words")]


def _parsed(text: str) -> _Answer:
    text = text.strip()
    fenced = _FENCED.fullmatch(text)
    if len(text) > _LONGEST_ANSWER:
        raise Unusable("too long")
    try:
        document = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once)
        return _Answer.model_validate(document)
    except ValidationError as error:
        raise Unusable("not the structured form") from error
    except (ValueError, RecursionError) as error:
        raise Unusable("not JSON") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _stretch(citation: _Citation, document: Document, *, was_kept: bool) -> Stretch:
    first, last = citation.first, citation.last
    if not document.holds(first, min(last, first + _CITED_WORDS)):
        raise Unusable("cites words that are not there")
    if last - first >= _CITED_WORDS:
        raise Unusable("cites too much at once")
    if citation.quote is None and not was_kept:
        raise Unusable("cites without the words")
    if citation.quote is not None and _plain(citation.quote) != _plain(document.quoted(first, last)):
        raise Unusable("cites other words than stand there")
    return Stretch(first, last)


def _check(given: Given, *, rude: bool) -> None:
    """What an answer says must fit together; one that contradicts itself is believed in nothing."""
    if given.acquisition not in FOLLOWS[given.sav]:
        raise Unusable("outcomes that exclude each other")
    for outcome, words in ((given.acquisition, given.acquisition_words), (given.sav, given.sav_words)):
        if outcome != Outcome.SILENCE and not words:
            raise Unusable("an outcome without words")
    if given.behaviour == BAD and not rude:
        raise Unusable("bad behaviour without words")
    if given.reached is not None and (given.sav in NOBODY_REACHED) != (given.reached in _MACHINES):
        raise Unusable("an outcome that does not fit who was reached")
    if given.reached == "other_person" and {given.acquisition, given.sav} & _HOLDERS_OWN:
        raise Unusable("someone else who decides for the client")


def _plain(text: str) -> str:
    """Letters and digits alone: a quote may differ in case, apostrophes and commas."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def _known(value: str) -> str | None:
    return None if value == "unknown" else value


def _first(stretches: tuple[Stretch, ...]) -> Stretch | None:
    return stretches[0] if stretches else None

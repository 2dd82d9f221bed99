"""Finds a client's number and name in a comment that a person wrote (domain.md, Manifests: SAV free text).

The text is cut into tokens: numbers, labels, stops (punctuation and other digits), and what lies between them. The
number is the first mobile number after the word "contact", else the first of all. The name is the first of these that
can be one: what follows a label such as "Nom et prénom :", what stands before the label of the number, what stands
right before the number, what follows the last number.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ringtrue import phone
from ringtrue.manifests.layouts import Labels, folded
from ringtrue.phone import MOROCCO, NumberPlan

#: What a person may write between two digits of a number; a line break ends it.
_GAP = r"[ \t\u00a0\u202f.\-\u2010-\u2015\u2212]{0,3}"
#: Dates and times of day, whose digits could be taken for those of a number.
_TIMES = (
    r"(?<![0-9])(?<![0-9][./-])[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4}(?![0-9])(?![./-][0-9])"
    r"|(?<![0-9])[0-9]{1,2} ?[:h] ?[0-9]{2}(?::[0-9]{2})?(?![0-9])"
)
_STOPS = r"[\r\n\t;,|/()\[\]:=<>*#\"]|(?:^|(?<=\s))[-\u2010-\u2015]+|[-\u2010-\u2015]+(?=\s)|(?<=[a-z0-9]{3})\.|[0-9]+"
#: Stops across which a name still belongs to the label that follows: "ALAMI Karim, contact", not "Joint. Contact".
_SOFT_STOPS = frozenset(",;|/(:=-\n\r\t\u2010\u2011\u2012\u2013\u2014\u2015")
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|['’.\-]|\s(?=\S))*")
#: A longer text is not a number alone.
_NUMBER_CHARS = 40
#: A name has at most so many words, and at least so many letters.
_NAME_WORDS, _NAME_LETTERS = 6, 3


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom a comment says to call; None for what it does not say."""

    number: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    start: int
    end: int
    #: Of a phone number: in the one form, and whether it is a mobile one that is written whole.
    number: str = ""
    mobile: bool = False
    whole: bool = False


def find_contact(text: str, labels: Labels, plan: NumberPlan = MOROCCO) -> Contact:
    """The client's number and name in a comment; a comment that is nothing but a mobile number may be mangled."""
    alone = phone.normalise(text, plan) if len(text) <= _NUMBER_CHARS else None
    if alone and _is_mobile(alone, plan):
        return Contact(alone, None)
    text = unicodedata.normalize("NFC", text)
    plain = _plain(text)
    tokens = list(_tokens(plain, labels, plan))
    chosen = _number(plain, tokens, labels)
    return Contact(chosen.number if chosen else None, _name(text, tokens, chosen, labels))


def _number(plain: str, tokens: list[_Token], labels: Labels) -> _Token | None:
    """A number without its zero is taken only after the word, and only where no whole one is: it may be any number."""
    mobiles = [token for token in tokens if token.mobile]
    word = _after(labels).search(plain)
    after = [token for token in mobiles if word and token.start >= word.end()]
    whole = [token for token in after if token.whole] + [token for token in mobiles if token.whole]
    return next(iter(whole + after), None)


def _name(text: str, tokens: list[_Token], chosen: _Token | None, labels: Labels) -> str | None:
    def following(position: int) -> str:
        """The text behind a token, past the punctuation."""
        for place in range(position, len(tokens)):
            end = tokens[place + 1].start if place + 1 < len(tokens) else len(text)
            between = text[tokens[place].end : end]
            if between.strip(" ."):
                return between
            if place + 1 < len(tokens) and tokens[place + 1].kind != "stop":
                break
        return ""

    def before(position: int) -> str:
        """The text before a token, past punctuation that binds."""
        for place in range(position, -1, -1):
            start = tokens[place - 1].end if place else 0
            between = text[start : tokens[place].start]
            if between.strip():
                return between
            if not place or text[tokens[place - 1].start] not in _SOFT_STOPS:
                break
        return ""

    for written in _introduced(tokens, following):
        if name := _as_name(" ".join(written), labels):
            return name
    if chosen is None:
        return None
    at = tokens.index(chosen)
    candidates = [before(at)]
    if (label := _label_of(text, tokens, at)) is not None:
        candidates.insert(0, before(label))
    candidates.append(following(max(place for place, token in enumerate(tokens) if token.number)))
    return next((name for candidate in candidates if (name := _as_name(candidate, labels))), None)


def _introduced(tokens: list[_Token], following: Callable[[int], str]) -> Iterator[list[str]]:
    """What follows the labels of names; "Nom : A Prénom : B" is one name in two parts."""
    firsts = [following(place) for place, token in enumerate(tokens) if token.kind == "first_name"][:1]
    names = [following(place) for place, token in enumerate(tokens) if token.kind == "name"]
    for written in names:
        yield [written.strip(), *firsts]
        yield [written]
    if not names:
        yield firsts


def _label_of(text: str, tokens: list[_Token], number: int) -> int | None:
    """The first of the labels that stand together before a number ("N° tel contact :")."""
    label = None
    for place in range(number - 1, -1, -1):
        if tokens[place].kind == "number":
            if label is not None and text[tokens[place].end : tokens[place + 1].start].strip():
                break
            label = place
        elif tokens[place].kind != "stop" or (label is not None and text[tokens[place].start] not in ":/("):
            break
    return label


def _as_name(written: str, labels: Labels) -> str | None:
    """A text as a name, if it can be one."""
    name = " ".join(written.strip(" .\t\r\n-_'’").split())
    words = folded(name).replace("'", " ").replace("-", " ").split()
    if not _NAME.fullmatch(name) or len(words) > _NAME_WORDS or sum(map(str.isalpha, name)) < _NAME_LETTERS:
        return None
    return None if labels.not_names.intersection(words) else name


def _tokens(plain: str, labels: Labels, plan: NumberPlan) -> Iterator[_Token]:
    for found in _pattern(labels, plan).finditer(plain):
        kind = found.lastgroup or ""
        if kind not in ("whole", "bare"):
            yield _Token("stop" if kind == "time" else kind, *found.span())
        elif number := phone.normalise(found[0], plan):
            yield _Token("phone", *found.span(), number, _is_mobile(number, plan), kind == "whole")
        else:
            yield _Token("stop", *found.span())


@lru_cache(maxsize=64)
def _pattern(labels: Labels, plan: NumberPlan) -> re.Pattern[str]:
    subscriber = rf"[1-9](?:{_GAP}[0-9]){{{plan.length - 1}}}(?![0-9])"
    trunk, country = re.escape(plan.trunk), re.escape(plan.country)
    whole = (
        rf"(?<![0-9])(?<![0-9][./-])(?:(?:\+{_GAP}|00{_GAP})?{country}{_GAP}(?:\({trunk}\)|{trunk})?|{trunk})"
        rf"{_GAP}{subscriber}"
    )
    # Without its zero a number is taken only in one piece: groups of digits could be anything.
    bare = rf"(?<![0-9])(?<![0-9][./-])[{plan.mobile}](?:[0-9]{{{plan.length - 1}}}|[.,][0-9]+e\+?[0-9]+)(?![0-9])"
    kinds = {
        "time": _TIMES,
        "whole": whole,
        "bare": bare,
        "name": _any_of(labels.name, needs_colon=True),
        "first_name": _any_of(labels.first_name, needs_colon=True),
        "number": _any_of(labels.number),
        "stop": _STOPS,
    }
    return re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in kinds.items()))


@lru_cache(maxsize=64)
def _after(labels: Labels) -> re.Pattern[str]:
    return re.compile(_any_of(labels.after))


def _any_of(labels: tuple[str, ...], *, needs_colon: bool = False) -> str:
    """Any of some labels as a pattern, the longest first; one of a single word may need a colon to be one."""

    def pattern(label: str) -> str:
        words = _plain(label).split()
        colon = r"(?=\s*[:=\-])" if needs_colon and len(words) == 1 else ""
        return r"\s*".join(map(re.escape, words)) + r"(?![^\W\d_])" + colon

    written = "|".join(pattern(label) for label in sorted(labels, key=len, reverse=True))
    return rf"(?<![^\W\d_])(?:{written})" if labels else r"(?!)"


class _Plain(dict[int, int]):
    """The letter without case and accent of each letter that was met."""

    def __missing__(self, letter: int) -> int:
        plain = self[letter] = ord(unicodedata.normalize("NFKD", chr(letter))[0].lower()[0])
        return plain


_PLAIN = _Plain()


def _plain(text: str) -> str:
    """The text without case and accents, character by character, so that positions stay what they are."""
    return text.translate(_PLAIN)


def _is_mobile(number: str, plan: NumberPlan) -> bool:
    return number[len(plan.country)] in plan.mobile

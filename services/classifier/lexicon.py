"""What the embedded engine knows: read from `lexicon.yaml`, which explains itself, and made ready to search."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ringtrue.errors import Misconfigured
from ringtrue.outcomes import Outcome
from services.classifier.phrases import Phrase, PhraseBook, PhraseError
from services.classifier.spelling import Speller, fold

#: The lexicon that ships with Ringtrue.
DEFAULT_LEXICON = Path(__file__).with_name("lexicon.yaml")

#: What kind of sign a phrase can be, beside those of an outcome.
FINAL, OPENING, BEGINNING = "announcement that ends a call", "announcement", "beginning of an announcement"
THIRD_PARTY, HANDOVER, NOTHING, ASIDE, RUDE = "third party", "handover", "nothing", "aside", "rude"
GREETING, COMPANION = "greeting", "word beside a greeting"
#: What a call shows beside its outcome (see `showing`).
VOICEMAIL, APPOINTMENT, AGREED, BECAUSE, NO_MORE_CALLS = (
    "voicemail",
    "appointment",
    "agreed",
    "because",
    "no more calls",
)


#: The outcomes that phrases are signs of, as the lexicon names them.
Spoken = Literal["refused", "postponed", "no_equipment", "absent", "closed", "other"]
SPOKEN: tuple[Spoken, ...] = get_args(Spoken)

#: The sign of an outcome that is none of the others.
OTHER: Spoken = "other"

#: Signs that say what a call shows: of those, the longest counts.
COUNTED = frozenset({*SPOKEN, FINAL, OPENING})


def sign_of(outcome: Outcome) -> str:
    """The sign of an outcome."""
    return outcome.name.lower()


def sign_against(outcome: Outcome) -> str:
    """The sign that speaks against an outcome."""
    return f"against {sign_of(outcome)}"


def _lines(text: object) -> object:
    if not isinstance(text, str):
        return text
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("# ")]


def _words(text: object) -> object:
    return text.split() if isinstance(text, str) else text


_Phrases = Annotated[tuple[str, ...], BeforeValidator(_lines)]
_Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Weights(_Part):
    sure: _Share
    likely: _Share
    hint: _Share
    against: _Share


class _Signs(_Part):
    sure: _Phrases = ()
    likely: _Phrases = ()
    hint: _Phrases = ()
    against: _Phrases = ()


class _Announcements(_Part):
    final: _Signs
    opening: _Signs
    beginning: _Phrases


class _Greetings(_Part):
    opening: _Phrases
    companion: _Phrases


class _Shown(_Part):
    voicemail: _Phrases
    appointment: _Phrases
    agreed: _Phrases
    because: _Phrases
    no_more_calls: _Phrases


def _one_word_each(spellings: dict[str, str]) -> dict[str, str]:
    for word in spellings:
        if len(fold(word)) != 1:
            raise ValueError(f"{word!r} is not one word")
    return spellings


class Lexicon(_Part):
    """The lexicon as it is written; `book` and `speller` are made of it."""

    version: str
    weights: _Weights
    margin: _Share
    few_words: Annotated[int, Field(ge=0)]
    talk: Annotated[int, Field(ge=0)]
    articles: _Words
    numbers: _Words
    fillers: _Words
    spellings: Annotated[dict[str, str], AfterValidator(_one_word_each)]
    lists: dict[str, _Phrases]
    announcements: _Announcements
    signs: dict[Spoken, _Signs]
    third_party: _Phrases
    handover: _Phrases
    nothing: _Phrases
    aside: _Phrases
    greetings: _Greetings
    rude: _Phrases
    shown: _Shown
    languages: dict[str, _Words]
    known: _Words

    @cached_property
    def book(self) -> PhraseBook:
        """Every phrase, ready to be found."""
        return PhraseBook(self._phrases(), self.lists, self.articles, self.numbers)

    @cached_property
    def speller(self) -> Speller:
        """Knows the words of all phrases; rude words are never read into others."""
        rude = {word for phrase in self.rude for word in fold(phrase)}
        return Speller([*self.known, *self.articles, *self.numbers, *rude], self.book.words - rude, self.spellings)

    def words_of(self, language: str) -> frozenset[str]:
        """Words that show which language is spoken."""
        return self._languages[language]

    @cached_property
    def _languages(self) -> dict[str, frozenset[str]]:
        return {
            name: frozenset(token for word in words for token in fold(word)) for name, words in self.languages.items()
        }

    @cached_property
    def filler_tokens(self) -> frozenset[str]:
        """Tokens that say nothing. Single letters are none of them: "mmm" is folded to the m of "m'appelez"."""
        return frozenset(token for filler in self.fillers for token in fold(filler) if len(token) > 1)

    def _phrases(self) -> list[Phrase]:
        found = [
            *self._signs_of(FINAL, self.announcements.final),
            *self._signs_of(OPENING, self.announcements.opening),
        ]
        for name in SPOKEN:
            found += self._signs_of(name, self.signs.get(name, _Signs()))
        certain = {
            BEGINNING: self.announcements.beginning,
            THIRD_PARTY: self.third_party,
            HANDOVER: self.handover,
            NOTHING: self.nothing,
            ASIDE: self.aside,
            RUDE: self.rude,
            GREETING: self.greetings.opening,
            COMPANION: self.greetings.companion,
            VOICEMAIL: self.shown.voicemail,
            APPOINTMENT: self.shown.appointment,
            AGREED: self.shown.agreed,
            BECAUSE: self.shown.because,
            NO_MORE_CALLS: self.shown.no_more_calls,
        }
        return found + [Phrase(text, sign, 1.0) for sign, texts in certain.items() for text in texts]

    def _signs_of(self, name: str, signs: _Signs) -> list[Phrase]:
        rows = [
            (name, signs.sure, self.weights.sure),
            (name, signs.likely, self.weights.likely),
            (name, signs.hint, self.weights.hint),
            (f"against {name}", signs.against, self.weights.against),
        ]
        return [Phrase(text, sign, weight) for sign, texts, weight in rows for text in texts]


def load_lexicon(path: Path = DEFAULT_LEXICON) -> tuple[Lexicon, str]:
    """Reads a lexicon and makes it ready; returns it with its version (the file's own, and a hash of its bytes).

    Raises:
        Misconfigured: The file is missing, or something in it is not allowed; the message says what.
    """
    try:
        content = path.read_bytes()
        lexicon = Lexicon.model_validate(yaml.safe_load(content))
        lexicon.book  # noqa: B018 - reads every phrase, so that a wrong one is found now
    except OSError as error:
        raise Misconfigured(f"lexicon {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"lexicon {path} is not YAML in UTF-8: {error}") from error
    except PhraseError as error:
        raise Misconfigured(f"lexicon {path}: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
        raise Misconfigured(f"lexicon {path} is wrong:\n  " + "\n  ".join(problems)) from error
    return lexicon, f"{lexicon.version}-{hashlib.sha256(content).hexdigest()[:12]}"

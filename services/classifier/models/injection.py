"""Finds where a call speaks to its judge: "ignore the instructions", "answer three", a prompt that someone reads out.

The technician who is audited knows that a machine listens. No prompt keeps a model from listening to him, so this looks
for such talk itself, and the guards then believe the model only where the lexicon reads the same in the rest. Phrases
are in `injection.yaml`; whoever finds other words for it is not found here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict

from ringtrue.messages import Word
from services.classifier.lexicon import Lexicon
from services.classifier.phrases import Phrase, PhraseBook
from services.classifier.spelling import Speller

_FILE: Final = Path(__file__).with_name("injection.yaml")
#: So many words around such talk on its channel are part of it: what is to be answered is said in the same breath.
_BEFORE, _AFTER = 5, 30


def _lines(text: object) -> object:
    if not isinstance(text, str):
        return text
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("# ")]


_Phrases = Annotated[tuple[str, ...], BeforeValidator(_lines)]


class _Talk(BaseModel):
    """`injection.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    lists: dict[str, _Phrases]
    phrases: _Phrases
    marks: tuple[str, ...]


class TalkToTheJudge:
    """Finds it.

    Args:
        lexicon: Its words are right as they are, and its articles and numbers are the same here.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        content = _FILE.read_bytes()
        talk = _Talk.model_validate(yaml.safe_load(content))
        #: The file's own version and a hash of its bytes.
        self.version = f"{talk.version}-{hashlib.sha256(content).hexdigest()[:12]}"
        phrases = [Phrase(text, "judge", 1.0) for text in talk.phrases]
        self._book = PhraseBook(phrases, talk.lists, lexicon.articles, lexicon.numbers)
        self._speller = Speller(lexicon.known, self._book.words, lexicon.spellings)
        self._fillers = lexicon.filler_tokens
        self._marks = [re.compile(mark) for mark in talk.marks]

    def find(self, words: Sequence[Word]) -> frozenset[int]:
        """The numbers of the words that belong to such talk; none where there is no such talk."""
        found = set[int]()
        for channel in {word.channel for word in words}:
            places = [place for place, word in enumerate(words) if word.channel == channel]
            for first, last in self._stretches([words[place].text for place in places]):
                found.update(places[max(0, first - _BEFORE) : last + 1 + _AFTER])
        return frozenset(found)

    def _stretches(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        """First and last place of each phrase or mark."""
        said = [
            (token, place)
            for place, text in enumerate(texts)
            for token in self._speller.tokens(text)
            if token not in self._fillers
        ]
        matches = self._book.find([token for token, _ in said])
        stretches = [(said[match.start][1], said[match.end - 1][1]) for match in matches]
        return stretches + self._marked(texts)

    def _marked(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        """Places of marks; one may be written across words."""
        text = " ".join(texts)
        return [
            (text.count(" ", 0, found.start()), text.count(" ", 0, max(found.start(), found.end() - 1)))
            for mark in self._marks
            for found in mark.finditer(text)
        ]

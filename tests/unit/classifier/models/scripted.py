"""A language model that says what a test tells it to, and calls with right answers about them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ringtrue.messages import Word
from services.classifier.engine import Transcript
from services.classifier.models.document import Document, make_document
from services.classifier.models.port import Completion, Request

Says = str | Exception


class Scripted:
    """A `ChatModel`.

    Args:
        says: What it answers, one after the other and then the last for ever; or what it makes of each request.
    """

    name = "openai"
    model = "scripted"

    def __init__(self, *says: Says | Callable[[Request], Says]) -> None:
        self._says = list(says)
        self._lock = threading.Lock()
        self.asked = list[Request]()
        self.closed = False

    def says(self, *says: Says | Callable[[Request], Says]) -> None:
        """From now on something else."""
        self._says = list(says)

    def complete(self, request: Request) -> Completion:
        with self._lock:
            self.asked.append(request)
            next_one = self._says.pop(0) if len(self._says) > 1 else self._says[0]
        said = next_one(request) if callable(next_one) else next_one
        if isinstance(said, Exception):
            raise said
        return Completion(said, input_tokens=1000, output_tokens=100, model="scripted-2026")

    def close(self) -> None:
        self.closed = True


def call(text: str) -> Transcript:
    """A call on one channel; word n stands at n ms."""
    return Transcript.of_text(text)


def on_channels(*turns: str) -> Transcript:
    """A call whose turns are on two channels in turn."""
    spoken = [(word, place % 2) for place, turn in enumerate(turns) for word in turn.split()]
    return Transcript(
        tuple(
            Word(text=word, start_ms=place, end_ms=place + 1, confidence=1.0, channel=channel)
            for place, (word, channel) in enumerate(spoken)
        )
    )


def shown(text: str) -> Document:
    """The document of a call that is shown whole."""
    words = call(text).words
    return make_document(words, range(len(words)), redact=False)


def cited(words: Sequence[str], phrase: str) -> dict[str, Any]:
    """The citation of a phrase, where it stands first."""
    quote = phrase.split()
    first = next(start for start in range(len(words)) if list(words[start : start + len(quote)]) == quote)
    return {"first": first, "last": first + len(quote) - 1, "quote": phrase}


def answer(text: str, sav: int, phrase: str = "", /, **others: Any) -> str:
    """A right structured answer about a call, which cites a phrase of it for both outcomes."""
    words = [cited(text.split(), phrase)] if phrase else []
    return json.dumps(
        {
            "language": "fr",
            "reached": "unknown",
            "reached_words": [],
            "appointment_words": [],
            "appointment_agreed": "unknown",
            "reason_words": [],
            "no_more_calls_words": [],
            "acquisition_words": words,
            "acquisition": sav if sav < 5 else 4,
            "sav_words": words,
            "sav": sav,
            "behaviour_words": [],
            "behaviour": 1,
        }
        | others,
        ensure_ascii=False,
    )


def words_of(request: Request) -> list[str]:
    """The words that a request shows."""
    return [word for turn in json.loads(request.user)["call"]["turns"] for word in turn["words"].values()]

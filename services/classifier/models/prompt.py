"""The prompts: one file per language with instructions and examples, and the requests that are made of them.

Each file is read at the start. Its examples are rendered as real calls are, and their answers read as a model's are, so
that a mistake in one of them ends the start and not a thousand calls. What a request was made with stands on each
result: language, version, and a hash of the file, of the form of the answer and of how calls are rendered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ringtrue.errors import Misconfigured
from ringtrue.messages import Word
from services.classifier.models.answer import (
    PLAIN_TOKENS,
    STRUCTURED_TOKENS,
    Agreed,
    Given,
    Language,
    Reached,
    Unusable,
    read_plain,
    read_structured,
    schema,
    without_quotes,
)
from services.classifier.models.document import Document, make_document, with_note
from services.classifier.models.port import Request

#: The prompts that ship with Ringtrue.
DEFAULT_PROMPTS: Final = Path(__file__).parent.parent / "prompts"

#: Changes when calls are rendered or answers are read in another way.
_RENDERING: Final = "1"
_ARABIC = re.compile(r"[\u0600-\u06ff]")
#: Above this share of words in Arabic letters a call is asked about with the prompt for Darija.
_ARABIC_SHARE: Final = 0.3
#: The prompts for calls in French and in Darija, for `auto`.
_FRENCH, _DARIJA = "fr", "ary"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Example(_Part):
    """A call, turn by turn of two channels, and the right answer; what is cited is written as it was said."""

    turns: Annotated[list[str], Field(min_length=1)]
    language: Language
    reached: Reached
    reached_words: list[str] = []
    appointment_words: list[str] = []
    appointment_agreed: Agreed = "unknown"
    reason_words: list[str] = []
    no_more_calls_words: list[str] = []
    acquisition_words: list[str] = []
    acquisition: int
    sav_words: list[str] = []
    sav: int
    behaviour_words: list[str] = []
    behaviour: int = 1


class _File(_Part):
    """`prompts/LANGUAGE.yaml`; `prompts/fr.yaml` explains it."""

    version: str
    task: str
    structured: str
    plain: str
    again: str
    examples: Annotated[list[_Example], Field(min_length=1)]


class Prompt:
    """The prompt for a language.

    Args:
        path: Its file.
        plain: Asks for two digits instead of a JSON object.

    Raises:
        Misconfigured: Something in the file is wrong; the message says what.
    """

    def __init__(self, path: Path, *, plain: bool) -> None:
        content, file = _read(path)
        self._plain = plain
        self._system = f"{file.task.strip()}\n\n{(file.plain if plain else file.structured).strip()}"
        self._again = file.again.strip()
        self._schema = schema()
        self._examples = tuple(
            _rendered(example, plain, f"prompt {path}, example {n}") for n, example in enumerate(file.examples, 1)
        )
        digest = hashlib.sha256(b"\0".join([content, str(plain).encode(), _RENDERING.encode()]))
        #: What stands on results.
        self.version = f"{path.stem}-{file.version}-{digest.hexdigest()[:12]}"

    def request(self, document: Document, *, unusable: str = "") -> Request:
        """Asks about a call; with `unusable` once more, after an answer that could not be used for this reason."""
        note = self._again.replace("{why}", unusable)
        return self._request(with_note(document, note) if unusable else document.text)

    def canned(self) -> Request:
        """A request that is known to be good."""
        return self._request(self._examples[0][0])

    def read(self, text: str, document: Document, *, was_kept: bool = False) -> Given:
        """Reads an answer, one of the model or one that `kept` made.

        Raises:
            Unusable: It is none.
        """
        return read_plain(text) if self._plain else read_structured(text, document, was_kept=was_kept)

    def kept(self, text: str) -> str:
        """An answer that was read as it may be kept: without words of the call."""
        return text.strip() if self._plain else without_quotes(text)

    def _request(self, user: str) -> Request:
        return Request(
            system=self._system,
            examples=self._examples,
            user=user,
            schema=self._schema,
            max_tokens=PLAIN_TOKENS if self._plain else STRUCTURED_TOKENS,
        )


class Prompts:
    """The prompts of all languages.

    Args:
        folder: Where their files stand.
        language: The one to use for every call; `auto` for the one that a call is spoken in.
        plain: Asks for two digits instead of a JSON object.

    Raises:
        Misconfigured: A file is missing or wrong.
    """

    def __init__(self, folder: Path = DEFAULT_PROMPTS, *, language: str = "auto", plain: bool = False) -> None:
        languages = (_FRENCH, _DARIJA) if language == "auto" else (language,)
        self._by_language = {name: Prompt(folder / f"{name}.yaml", plain=plain) for name in languages}
        #: Of all of them.
        self.version = " ".join(prompt.version for prompt in self._by_language.values())

    def of(self, words: Sequence[Word]) -> Prompt:
        """The prompt for a call."""
        if len(self._by_language) == 1:
            return next(iter(self._by_language.values()))
        arabic = sum(bool(_ARABIC.search(word.text)) for word in words)
        return self._by_language[_DARIJA if arabic > _ARABIC_SHARE * len(words) else _FRENCH]

    def canned(self) -> Request:
        """A request that is known to be good."""
        return next(iter(self._by_language.values())).canned()


def _read(path: Path) -> tuple[bytes, _File]:
    try:
        content = path.read_bytes()
        return content, _File.model_validate(yaml.safe_load(content))
    except OSError as error:
        raise Misconfigured(f"prompt {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"prompt {path} is not YAML in UTF-8: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
        raise Misconfigured(f"prompt {path} is wrong:\n  " + "\n  ".join(problems)) from error


def _rendered(example: _Example, plain: bool, name: str) -> tuple[str, str]:
    """The document of an example and its answer, which is read to see that it may stand there."""
    spoken = [(text, channel % 2) for channel, turn in enumerate(example.turns) for text in turn.split()]
    words = [
        Word(text=text, start_ms=place, end_ms=place + 1, confidence=1.0, channel=channel)
        for place, (text, channel) in enumerate(spoken)
    ]
    document = make_document(words, range(len(words)), redact=False)
    try:
        answer = json.dumps(
            {
                field: [_cited(text, words, name) for text in value] if field.endswith("_words") else value
                for field, value in example.model_dump(exclude={"turns"}).items()
            },
            ensure_ascii=False,
        )
        read_structured(answer, document)
    except Unusable as problem:
        raise Misconfigured(f"{name}: its answer is none: {problem}") from problem
    return document.text, f"{example.sav}{example.behaviour}" if plain else answer


def _cited(text: str, words: Sequence[Word], name: str) -> dict[str, Any]:
    """Where the words of a citation stand, which must be one place."""
    quote = text.split()
    texts = [word.text for word in words]
    places = [start for start in range(len(texts)) if texts[start : start + len(quote)] == quote]
    if len(places) != 1 or not quote:
        raise Misconfigured(f"{name}: {text!r} must stand in its turns just once")
    return {"first": places[0], "last": places[0] + len(quote) - 1, "quote": " ".join(quote)}

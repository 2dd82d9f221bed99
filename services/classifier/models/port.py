"""The port of the language models that a classifier may ask: one request, one completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ringtrue.errors import Away

#: More than any request has: what a server that counts so says is nonsense.
_MOST_TOKENS = 10**9


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked.

    Attributes:
        system: Instructions, the same for all calls, so that servers may cache them.
        examples: Few-shot: what a user asked, and what the assistant answered.
        user: The JSON document of this call.
        schema: JSON schema of the structured answer, for models that offer it.
        max_tokens: Of the answer at most.
    """

    system: str
    examples: tuple[tuple[str, str], ...]
    user: str
    schema: dict[str, Any]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered, and what it cost.

    Attributes:
        text: The answer.
        input_tokens: Tokens read, those from a cache too.
        output_tokens: Tokens written.
        model: What the server says answered.
    """

    text: str
    input_tokens: int
    output_tokens: int
    model: str


class NoAnswer(Exception):
    """This request has no usable completion (its stop reason, a content filter, one retry spent): the call becomes 9/2.

    Args:
        reason: A short phrase without anything of the request.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ChatModel(Protocol):
    """A model that completes requests. Used by several threads at once."""

    #: "bedrock", "openai" or "local".
    name: str
    #: As the settings name it; one in a folder with its revision, for answers hang on that.
    model: str

    def complete(self, request: Request) -> Completion:
        """Asks the model.

        Raises:
            NoAnswer: This request has no usable completion.
            Away: The model cannot be asked now.
            Misconfigured: A setting is at fault.
        """
        ...

    def close(self) -> None:
        """Lets go of connections and threads; it is not used again."""
        ...


class TooLate(Away):
    """The model was asked, and no answer came in time: it may have cost as much as one."""


def tokens(counted: object) -> int:
    """A count of tokens as a server tells it.

    Raises:
        ValueError: It is no number that a request can have.
    """
    if isinstance(counted, bool) or not isinstance(counted, int | float) or not 0 <= counted <= _MOST_TOKENS:
        raise ValueError(f"{counted!r} tokens")
    return int(counted)

"""The port of the language models that a classifier may ask: one request, one completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked.

    Attributes:
        system: Instructions, the same for all calls (cacheable).
        examples: Few-shot examples: (user, assistant).
        user: The JSON document of this call.
        schema: JSON schema of the structured answer, for models that offer it.
        max_tokens: The most tokens that the answer may have.
    """

    system: str
    examples: tuple[tuple[str, str], ...]
    user: str
    schema: dict[str, Any]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered.

    Attributes:
        text: The answer as it came.
        input_tokens: Tokens of the request, as the server counted them.
        output_tokens: Tokens of the answer.
        model: What the server says answered.
    """

    text: str
    input_tokens: int
    output_tokens: int
    model: str


class ChatModel(Protocol):
    """A language model behind whatever carries the request to it."""

    #: "bedrock", "openai" or "local".
    name: str
    #: The model that is asked for.
    model: str

    def complete(self, request: Request) -> Completion:
        """Asks the model once; several threads may ask at the same time.

        Raises:
            NoAnswer: This request has no usable completion.
            Away: The model cannot be reached for now, or its quota is spent: wait and try again.
            Misconfigured: The region, model, key or endpoint is wrong.
        """
        ...

    def close(self) -> None:
        """Lets go of connections."""
        ...


class NoAnswer(Exception):
    """This request has no usable completion (stop reason, content filter, its one retry spent): the call becomes 9/2.

    Args:
        reason: In one word, for metrics: `max_tokens`, `content_filtered`, ...
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

"""What models behind a network have in common: whose fault a refusal is, and what to do without.

A server that refuses a request does not say whether the request or the settings are at fault: "validation error" may
mean an unknown model as well as one transcript that is too long. A canned request tells them apart. It is sent once at
the start, where a refusal is an error that names settings, and again when a request is refused later: if that one
passes, only this call has no answer; if not, the service stops, and no call is blamed.

Not every server takes all that we would like to send (a schema for the answer, cache points, a temperature). What it
refuses at the start it is asked without from then on, and the log says so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Literal

import structlog

from ringtrue.errors import Away, Misconfigured, RingtrueError
from services.classifier.models.limits import Limits, estimate
from services.classifier.models.port import Completion, NoAnswer, Request
from services.classifier.models.wire import PREFIX, Unreachable

_log = structlog.get_logger()

#: Whether the answer must follow the schema, does where the server offers it, or is only asked for it by the prompt.
Structured = Literal["auto", "schema", "plain"]

#: A request that no server can have anything against. A caller with a prompt of its own has a better one.
CANNED: Final = Request(
    system='You answer with a JSON object and nothing else, such as {"ready": true}.',
    examples=(),
    user='{"question": "Are you ready?"}',
    schema={
        "type": "object",
        "properties": {"ready": {"type": "boolean"}},
        "required": ["ready"],
        "additionalProperties": False,
    },
    max_tokens=32,
)


class Refused(Exception):
    """The server refuses what it was sent; the answer alone does not say whose fault that is.

    Args:
        code: The server's own, or its status.
        words: What it said. It may quote the request, so it is shown only of canned ones.
        settings: Which settings may be at fault, without their prefix.
    """

    def __init__(self, code: str, words: str, *settings: str) -> None:
        super().__init__(code)
        self.code = code
        self.words = words
        self.settings = settings


class Spoilt(Exception):
    """The server has no completion for this request this time: worth one more try, then there is none.

    Args:
        reason: A short phrase without anything of the request.
        busy: It is the model that did not manage; else what came is no answer at all.
    """

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.busy = busy


class RemoteModel(ABC):
    """A `ChatModel` behind a network. `check` it before the first request.

    Args:
        model: As the settings name it.
        where: The server, as people know it.
        limits: Our own.
        canned: A request that is known to be good.
    """

    name: str

    def __init__(self, model: str, where: str, limits: Limits, canned: Request) -> None:
        self.model = model
        self._where = where
        self._limits = limits
        self._canned = canned

    @abstractmethod
    def close(self) -> None:
        """See `ChatModel`."""

    @abstractmethod
    def _send(self, request: Request) -> tuple[Completion, int]:
        """Sends a request; the completion, and how many tokens count against limits.

        Raises:
            NoAnswer: The completion is none.
            Refused: See there.
            Spoilt: See there.
            Away: The server cannot be asked now.
        """

    @abstractmethod
    def _spare(self, refused: Refused) -> str:
        """Gives up something that the server may have refused; what, or empty when there is nothing left."""

    def check(self) -> None:
        """Sends the canned request, and finds out what the server has to be asked without.

        Raises:
            Away: The server cannot be asked now.
            Misconfigured: A setting is at fault; which, and what the server said.
        """
        first: Refused | None = None
        while True:
            try:
                self._sent(self._canned)
            except NoAnswer:
                return  # it was taken, and that is all that we wanted to know
            except Refused as refused:
                first = first or refused
                spared = self._spare(refused)
                if not spared:
                    raise self._misconfigured(first) from refused
                _log.warning("the model is asked without", what=spared, model=self.model, said=refused.words)
            except Spoilt as spoilt:
                if spoilt.busy:
                    raise Away(f"{self._where}: {spoilt}") from spoilt
                raise Misconfigured(
                    f"{self._where} answers, but not like the server of a language model ({spoilt}): "
                    f"see {PREFIX}ENDPOINT"
                ) from spoilt
            except Unreachable as unreachable:
                words = f"{unreachable}; see {PREFIX}ENDPOINT and {PREFIX}REGION"
                raise Misconfigured(words) if unreachable.lasting else Away(words) from unreachable
            else:
                return

    def complete(self, request: Request) -> Completion:
        """See `ChatModel`."""
        try:
            return self._sent(request)
        except Refused as refused:
            raise self._whose_fault(refused) from refused
        except Spoilt as spoilt:
            raise NoAnswer(f"twice without a completion: {spoilt}") from spoilt

    def _sent(self, request: Request) -> Completion:
        try:
            return self._sent_once(request)
        except Spoilt:
            return self._sent_once(request)

    def _sent_once(self, request: Request) -> Completion:
        with self._limits.reserved(estimate(request)) as reservation:
            completion, counted = self._send(request)
            reservation.settle(counted)
        return completion

    def _whose_fault(self, refused: Refused) -> NoAnswer | RingtrueError:
        try:
            self._sent(self._canned)
        except Refused as wrong:
            return self._misconfigured(wrong)
        except Spoilt as spoilt:
            return Away(f"{self._where}: {spoilt}")
        except NoAnswer:
            pass
        return NoAnswer(f"refused: {refused.code}")

    def _misconfigured(self, refused: Refused) -> Misconfigured:
        named = ", ".join(PREFIX + name for name in refused.settings)
        return Misconfigured(
            f"{self._where} refuses to be asked for the model {self.model!r}: {refused.code}: {refused.words}; "
            f"see {named}"
        )

"""Any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, LM Studio, OpenAI itself.

The openai package is not used: beside one POST it brings two HTTP retry layers to turn off and a compiled parser, and
has no deadline for a whole exchange (`wire`).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from ringtrue.errors import Away, Misconfigured
from services.classifier.models.limits import Limits
from services.classifier.models.port import Completion, NoAnswer, Request, tokens
from services.classifier.models.remote import CANNED, Refused, RemoteModel, Spoilt, Structured
from services.classifier.models.wire import PREFIX, Answer, Wire, said

#: Within one request; longer outages are the worker's, which keeps its partitions meanwhile.
_ATTEMPTS: Final = 2
_BACK_OFF_S: Final = 0.5
#: A server that asks for a longer wait than the first is not asked again before it is over, up to the second.
_WAITS_S: Final = (2.0, 60.0)
#: Answers below 500 that time heals. 402 is an account that has to be topped up.
_AWAY: Final = frozenset({402, 408, 409, 425, 429})
#: Those that may mean a parameter that the server does not know.
_PARAMETERS: Final = frozenset({400, 422})
_SCHEMA_WORDS: Final = ("format", "schema", "structured", "guided", "grammar")
#: A completion that ended by itself; text-generation-inference says the latter.
_ENDED: Final = frozenset({"stop", "eos_token"})
_REASON_LETTERS: Final = 40


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


#: How a server is asked for an answer of a schema, in the order in which they are tried.
_FORMS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "response_format": _response_format,
    "structured_outputs": lambda schema: {"structured_outputs": {"json": schema}},  # vLLM
    "guided_json": lambda schema: {"guided_json": schema},  # vLLM before 0.12
}


class OpenAIModel(RemoteModel):
    """See `RemoteModel`.

    Args:
        model: The server's name of it.
        endpoint: The API's address, such as http://localhost:11434/v1 (Ollama).
        api_key: Empty where none is asked for.
        ca_file: The certificates to trust, instead of the system's.
        timeout_s: Of one HTTP request, to the last byte of its answer.
        structured: `schema` insists that the server makes the answer follow the schema, `auto` asks for it where the
            server offers it, `plain` leaves it to the prompt.
        limits: Our own.
        canned: A request that is known to be good.
        clock: Seconds, never backwards.
        sleep: Waits for so many seconds.

    Raises:
        Misconfigured: The endpoint, the key or the certificates cannot be used.
    """

    name = "openai"

    def __init__(
        self,
        model: str,
        *,
        endpoint: str,
        api_key: str = "",
        ca_file: Path | None = None,
        timeout_s: float = 30.0,
        structured: Structured = "auto",
        limits: Limits | None = None,
        canned: Request = CANNED,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not endpoint:
            raise Misconfigured(
                f"{PREFIX}ENDPOINT is not set: the address of an OpenAI-compatible API is expected, such as "
                "http://localhost:11434/v1"
            )
        if not api_key.isascii() or not (api_key.isprintable() and " " not in api_key):
            raise Misconfigured(f"{PREFIX}API_KEY holds letters that no key has, such as blanks or line ends")
        self._wire = Wire(endpoint, timeout_s, ca_file)
        super().__init__(model, self._wire.where, limits or Limits(), canned)
        self._url = endpoint.rstrip("/") + "/chat/completions"
        self._key = api_key
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._forms = [] if structured == "plain" else list(_FORMS)
        self._insists = structured == "schema"
        self._temperature: dict[str, Any] = {"temperature": 0}
        self._max_tokens = "max_tokens"
        self._clock = clock
        self._sleep = sleep
        self._not_before = clock()

    def close(self) -> None:
        """See `ChatModel`."""
        self._wire.close()

    def _send(self, request: Request) -> tuple[Completion, int]:
        body = json.dumps(self._body(request), ensure_ascii=False).encode()
        for attempt in range(_ATTEMPTS):
            answer = self._posted(body)
            if answer.status < 300:
                completion = self._completion(answer)
                return completion, completion.input_tokens + completion.output_tokens
            if answer.status < 500 and answer.status not in _AWAY:
                raise self._refused(answer)
            asked_s = _retry_after_s(answer.headers)
            wait_s = _BACK_OFF_S * 2**attempt * random.uniform(0.5, 1) if asked_s is None else asked_s  # noqa: S311 - spreads retries
            if wait_s > _WAITS_S[0] or attempt == _ATTEMPTS - 1:
                self._not_before = self._clock() + min(asked_s or 0.0, _WAITS_S[1])
                break
            self._sleep(wait_s)
        # What a server says of its own trouble may quote the request; of limits it speaks of nothing else.
        words = f": {said(answer.body, self._key)}" if answer.status in (402, 429, 503) else ""
        raise Away(f"{self._where} answered {answer.status}{words}")

    def _posted(self, body: bytes) -> Answer:
        left_s = self._not_before - self._clock()
        if left_s > 0:
            raise Away(f"{self._where} asked not to be asked for another {left_s:.0f} s")
        return self._wire.post(self._url, self._headers, body)

    def _body(self, request: Request) -> dict[str, Any]:
        shots = [
            {"role": role, "content": text}
            for example in request.examples
            for role, text in zip(("user", "assistant"), example, strict=True)
        ]
        return {
            "model": self.model,
            "messages": [
                {"role": "system", "content": request.system},
                *shots,
                {"role": "user", "content": request.user},
            ],
            self._max_tokens: request.max_tokens,
            "stream": False,
            **self._temperature,
            **(_FORMS[self._forms[0]](request.schema) if self._forms else {}),
        }

    def _completion(self, answer: Answer) -> Completion:
        try:
            document = json.loads(answer.body)
            choice = document["choices"][0]
            message, reason = choice["message"], str(choice["finish_reason"])
            usage = document.get("usage") or {}
            completion = Completion(
                text=message.get("content") or "",
                input_tokens=tokens(usage.get("prompt_tokens") or 0),
                output_tokens=tokens(usage.get("completion_tokens") or 0),
                model=str(document.get("model") or self.model),
            )
            refusal = message.get("refusal")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Spoilt("what came is no chat completion") from error
        if refusal:
            raise NoAnswer("stopped: refusal")
        if reason not in _ENDED:
            raise NoAnswer(f"stopped: {reason[:_REASON_LETTERS]}")
        if not isinstance(completion.text, str):
            raise Spoilt("what came is no chat completion")
        return completion

    def _refused(self, answer: Answer) -> Refused:
        words = said(answer.body, self._key)
        if answer.status in (401, 403, 407):
            return Refused(str(answer.status), words, "API_KEY")
        if answer.status < 400:
            return Refused(
                str(answer.status), f"it is at {answer.headers.get('location', 'another address')}", "ENDPOINT"
            )
        if answer.status == 404:
            return Refused("404", words, "ENDPOINT", "MODEL")
        return Refused(str(answer.status), words, "MODEL", "STRUCTURED")

    def _spare(self, refused: Refused) -> str:
        if int(refused.code) not in _PARAMETERS:
            return ""
        words = refused.words.lower()
        if "max_completion_tokens" in words and self._max_tokens == "max_tokens":
            self._max_tokens = "max_completion_tokens"
            return "max_tokens"
        if "temperature" in words and self._temperature:
            self._temperature = {}
            return "temperature"
        # A refusal that names the model, but nothing of a schema, is about the model.
        about = any(word in words for word in _SCHEMA_WORDS) or self.model.lower() not in words
        if about and len(self._forms) > (1 if self._insists else 0):
            return self._forms.pop(0)
        return ""


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that a server asks for, in seconds; None where it does not, or not in a way that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a time zone
        return None

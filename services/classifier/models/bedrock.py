"""Amazon Bedrock's Converse, for any model, inference profile or prompt router of any region.

boto3 finds the credentials and the endpoint, signs, tries again what may be tried again, and reads the answer. What it
sends goes through `wire`, because botocore only has a timeout for each read, none for the whole exchange. Its retry
mode is set: the default has changed before, and `adaptive` sleeps in the calling thread for as long as it likes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from boto3.session import Session
from botocore import UNSIGNED, exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.session import get_session

from ringtrue.errors import Away, Misconfigured
from services.classifier.models.limits import Limits
from services.classifier.models.metrics import CACHED
from services.classifier.models.port import Completion, NoAnswer, Request, tokens
from services.classifier.models.remote import CANNED, Refused, RemoteModel, Spoilt, Structured
from services.classifier.models.wire import PREFIX, Wire, said

#: Within one request; longer outages are the worker's, which keeps its partitions meanwhile.
_ATTEMPTS: Final = 2

#: Errors that time heals, whatever their status: a used-up quota is a 400 (the service's own model in botocore).
_AWAY: Final = frozenset(
    {
        "InternalServerException",
        "ModelNotReadyException",
        "ServiceQuotaExceededException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: The model did not manage this request (408, 424): worth one more try.
_SPOILT: Final = frozenset({"ModelErrorException", "ModelStreamErrorException", "ModelTimeoutException"})
#: Whoever asks is not known, or may not.
_KEY: Final = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NotAuthorizedException",
        "UnrecognizedClientException",
    }
)
#: A completion that ended by itself; every other reason is none.
_ENDED: Final = frozenset({"end_turn", "stop_sequence"})
#: What a refusal says when it means something that can be spared.
_WORDS: Final = {
    "prompt caching": ("cach",),
    "schema": ("schema", "outputconfig", "output_config", "textformat"),
    "temperature": ("temperature",),
}
_CACHE_POINT: Final = {"cachePoint": {"type": "default"}}


class BedrockModel(RemoteModel):
    """See `RemoteModel`.

    Args:
        model: A model's id, or the id or ARN of an inference profile or prompt router.
        region: Empty for the one of the AWS configuration.
        endpoint: Empty for the region's own.
        api_key: A Bedrock API key; empty to sign with the credentials that AWS's own chain finds.
        ca_file: The certificates to trust, instead of the system's or those of AWS_CA_BUNDLE.
        timeout_s: Of one HTTP request, to the last byte of its answer.
        structured: `schema` insists that the model's answer follows the schema, `auto` asks for it where the model
            offers it, `plain` leaves it to the prompt.
        prompt_caching: Asks to have the instructions and examples cached, where the model offers it.
        limits: Our own.
        canned: A request that is known to be good.

    Raises:
        Misconfigured: There is no region, no such endpoint, or no credentials.
    """

    name = "bedrock"

    def __init__(
        self,
        model: str,
        *,
        region: str = "",
        endpoint: str = "",
        api_key: str = "",
        ca_file: Path | None = None,
        timeout_s: float = 30.0,
        structured: Structured = "auto",
        prompt_caching: bool = True,
        limits: Limits | None = None,
        canned: Request = CANNED,
    ) -> None:
        self._region = region
        self._key = api_key
        try:
            core = get_session()
            session = Session(botocore_session=core, region_name=region or None)
            self._client: Any = session.client(
                "bedrock-runtime",
                endpoint_url=endpoint or None,
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                    signature_version=UNSIGNED if api_key else None,
                ),
            )
        except (exceptions.BotoCoreError, ValueError) as error:
            named = f"{PREFIX}REGION={region!r}, {PREFIX}ENDPOINT={endpoint!r}"
            raise Misconfigured(f"{named}: {error}") from error
        self._wire = Wire(
            self._client.meta.endpoint_url, timeout_s, ca_file or _path(core.get_config_variable("ca_bundle"))
        )
        self._client.meta.events.register("before-send.bedrock-runtime.Converse", self._carry)
        super().__init__(model, f"{self._wire.where} ({self._client.meta.region_name})", limits or Limits(), canned)
        self._temperature = True
        self._cached = prompt_caching
        self._structured = structured != "plain"
        self._insists = structured == "schema"

    def close(self) -> None:
        """See `ChatModel`."""
        self._client.close()
        self._wire.close()

    def _carry(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Sends a request that botocore has prepared. What it raises is not tried again by botocore."""
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        body = request.body or b""
        answer = self._wire.post(request.url, headers, body.encode() if isinstance(body, str) else bytes(body))
        return AWSResponse(request.url, answer.status, answer.headers, _Body(answer.body))

    def _send(self, request: Request) -> tuple[Completion, int]:
        try:
            answer: dict[str, Any] = self._client.converse(**self._asked(request))
        except exceptions.ClientError as error:
            raise self._sorted(error) from error
        except exceptions.ParamValidationError as error:
            raise Refused("ParamValidationError", said(str(error).encode()), "MODEL") from error
        except (
            exceptions.ConnectionError,
            exceptions.HTTPClientError,
            exceptions.CredentialRetrievalError,
            exceptions.MetadataRetrievalError,
        ) as error:  # not from Bedrock itself, for that is `wire`'s, but from where credentials come from
            raise Away(f"AWS credentials cannot be had now: {error}") from error
        except exceptions.BotoCoreError as error:
            raise Misconfigured(
                f"AWS cannot be asked: {error}; see {PREFIX}API_KEY, {PREFIX}REGION and AWS's own settings"
            ) from error
        except (ResponseParserError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Spoilt("what came is no answer of Converse") from error
        return self._completion(answer)

    def _asked(self, request: Request) -> dict[str, Any]:
        point = [_CACHE_POINT] if self._cached else []
        shots = [
            {"role": role, "content": [{"text": text}]}
            for example in request.examples
            for role, text in zip(("user", "assistant"), example, strict=True)
        ]
        if shots:
            shots[-1]["content"] = [*shots[-1]["content"], *point]
        asked: dict[str, Any] = {
            "modelId": self.model,
            "system": [{"text": request.system}, *point],
            "messages": [*shots, {"role": "user", "content": [{"text": request.user}]}],
            "inferenceConfig": {"maxTokens": request.max_tokens} | ({"temperature": 0.0} if self._temperature else {}),
        }
        if self._structured:
            schema = {"name": "answer", "schema": json.dumps(request.schema, ensure_ascii=False)}
            asked["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
        return asked

    def _completion(self, answer: dict[str, Any]) -> tuple[Completion, int]:
        try:
            reason, usage = str(answer["stopReason"]), answer["usage"]
            read, written = (tokens(usage.get(f"cache{how}InputTokens") or 0) for how in ("Read", "Write"))
            fresh, output = tokens(usage["inputTokens"]), tokens(usage["outputTokens"])
            blocks = answer["output"]["message"]["content"]
            text = "".join(str(block["text"]) for block in blocks if "text" in block)
            router = answer.get("trace", {}).get("promptRouter", {})
            model = str(router.get("invokedModelId") or self.model)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Spoilt("what came is no answer of Converse") from error
        CACHED.labels("read").inc(read)
        CACHED.labels("written").inc(written)
        if reason not in _ENDED:
            raise NoAnswer(f"stopped: {reason}")
        # Tokens read from the cache do not count against Bedrock's quotas.
        return Completion(text, fresh + read + written, output, model), fresh + written + output

    def _sorted(self, error: exceptions.ClientError) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        words = said(str(error.response.get("Error", {}).get("Message", "")).encode(), self._key)
        if code in _SPOILT:
            return Spoilt(code, busy=True)
        if code in _AWAY or status == 429 or status >= 500:
            # What a server says of its own trouble may quote the request; of limits it speaks of nothing else.
            shown = "" if status >= 500 and status != 503 else f": {words}"
            return Away(f"{self._where}: {code} ({status}){shown}")
        if status in (408, 424):
            return Spoilt(code, busy=True)
        if code in _KEY:
            return Refused(code, words, "API_KEY (or AWS's own credentials)")
        if code == "AccessDeniedException":
            return Refused(code, words, "MODEL", "REGION", "API_KEY (or AWS's own credentials)")
        return Refused(code, words, "MODEL", "REGION", "ENDPOINT")

    def _spare(self, refused: Refused) -> str:
        """Only what a validation error may mean; where it does not say what, first what models most often lack."""
        if refused.code not in ("ValidationException", "ParamValidationError"):
            return ""
        held = {
            "prompt caching": self._cached,
            "schema": self._structured and not self._insists,
            "temperature": self._temperature,
        }
        words = refused.words.lower()
        spared = [name for name, spoken_of in _WORDS.items() if held[name] and any(word in words for word in spoken_of)]
        if not spared:
            spared = [name for name in ("prompt caching", "schema") if held[name]] or ["temperature"] * held[
                "temperature"
            ]
        self._cached = self._cached and "prompt caching" not in spared
        self._structured = self._structured and "schema" not in spared
        self._temperature = self._temperature and "temperature" not in spared
        return ", ".join(spared)


class _Body:
    """The body of an answer, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._content


def _path(name: object) -> Path | None:
    return Path(name) if isinstance(name, str) and name else None

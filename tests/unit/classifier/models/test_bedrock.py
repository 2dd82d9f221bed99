import copy
import json
import re
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from prometheus_client import REGISTRY

from ringtrue.errors import Away, Misconfigured
from services.classifier.models.bedrock import BedrockModel
from services.classifier.models.port import Completion, NoAnswer, TooLate
from services.classifier.models.remote import CANNED
from tests.unit.classifier.models.stub import REQUEST, Asked, Break, Drip, Hang, Reply, Stub, serving

MODEL = "eu.anthropic.claude-model-v1:0"
KEY, SECRET = "AKIASYNTHETIC", "synthetic-secret"


@pytest.fixture(autouse=True)
def _signed_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Stub, BedrockModel]]:
    """A server and a client of it: boto3 takes a third of a second for one."""
    with serving(Stub()) as stub, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        model = made(stub)
        yield stub, model
        model.close()


@pytest.fixture
def stub(kept: tuple[Stub, BedrockModel]) -> Stub:
    kept[0].script, kept[0].always, kept[0].asked = [], None, []
    return kept[0]


@pytest.fixture
def model(kept: tuple[Stub, BedrockModel]) -> BedrockModel:
    """A model that knows nothing yet of what the server takes."""
    return copy.copy(kept[1])


def made(stub: Stub, model: str = MODEL, **options: Any) -> BedrockModel:
    given: dict[str, Any] = {"region": "eu-west-3", "endpoint": stub.url, "timeout_s": 5} | options
    return BedrockModel(model, **given)


def fault(code: str, status: int, message: str = "the words of the server") -> Reply:
    """An error as Bedrock sends it."""
    return Reply(status, {"message": message}, {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/"})


def test_a_request_becomes_a_conversation_with_cache_points_and_a_schema(stub: Stub, model: BedrockModel) -> None:
    assert model.complete(REQUEST) == Completion('{"outcome": 3}', 100, 8, MODEL)
    (asked,) = stub.asked
    point = {"cachePoint": {"type": "default"}}
    assert asked.path == "/model/eu.anthropic.claude-model-v1%3A0/converse"
    assert asked.body["system"] == [{"text": "You judge calls."}, point]
    roles = [(message["role"], message["content"]) for message in asked.body["messages"]]
    assert roles == [
        ("user", [{"text": '{"words": ["allô"]}'}]),
        ("assistant", [{"text": '{"outcome": 3}'}]),
        ("user", [{"text": '{"words": ["non"]}'}]),
        ("assistant", [{"text": '{"outcome": 1}'}, point]),
        ("user", [{"text": REQUEST.user}]),
    ]
    assert asked.body["inferenceConfig"] == {"maxTokens": 64, "temperature": 0.0}
    structure = asked.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(structure["schema"]) == REQUEST.schema
    assert "toolConfig" not in asked.body


def test_what_arrives_is_what_was_signed(stub: Stub) -> None:
    arn = "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/abc"
    made(stub, arn).complete(REQUEST)
    (asked,) = stub.asked
    assert "arn%3Aaws%3Abedrock" in asked.path
    assert signature(asked) == signed_again(stub, asked)


def signature(asked: Asked) -> str:
    return asked.headers["authorization"].rpartition("Signature=")[2]


def signed_again(stub: Stub, asked: Asked) -> str:
    """The signature that the server computes from what it got."""
    names = re.search(r"SignedHeaders=([^,]+)", asked.headers["authorization"])
    assert names is not None
    headers = {name: asked.headers[name] for name in names[1].split(";")}
    request = AWSRequest("POST", stub.url + asked.path, headers, asked.raw)
    request.context["timestamp"] = asked.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(KEY, SECRET), "bedrock", "eu-west-3")
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def test_a_bedrock_key_takes_the_place_of_the_signature(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    made(stub, api_key="synthetic-key").complete(REQUEST)
    assert stub.asked[0].headers["authorization"] == "Bearer synthetic-key"


def test_tokens_from_a_cache_are_counted_with_the_others(stub: Stub, model: BedrockModel) -> None:
    read = partial(REGISTRY.get_sample_value, "ringtrue_llm_cached_tokens_total", {"how": "read"})
    before = read() or 0
    stub.script = [Reply(200, stub.converse(cacheReadInputTokens=2000, cacheWriteInputTokens=500))]
    assert model.complete(REQUEST).input_tokens == 2600
    assert (read() or 0) - before == 2000


def test_what_a_model_thought_is_no_part_of_its_answer(stub: Stub, model: BedrockModel) -> None:
    answer = stub.converse()
    answer["output"]["message"]["content"].insert(0, {"reasoningContent": {"reasoningText": {"text": "well"}}})
    stub.script = [Reply(200, answer)]
    assert model.complete(REQUEST).text == '{"outcome": 3}'


@pytest.mark.parametrize(
    "reason",
    [
        "max_tokens",
        "guardrail_intervened",
        "content_filtered",
        "malformed_model_output",
        "malformed_tool_use",
        "model_context_window_exceeded",
        "tool_use",
        "one_of_next_year",
    ],
)
def test_a_completion_that_was_stopped_is_no_answer(stub: Stub, model: BedrockModel, reason: str) -> None:
    stub.script = [Reply(200, stub.converse(reason))]
    with pytest.raises(NoAnswer, match=reason):
        model.complete(REQUEST)
    assert len(stub.asked) == 1


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence"])
def test_a_completion_that_ended_by_itself_is_one(stub: Stub, model: BedrockModel, reason: str) -> None:
    stub.script = [Reply(200, stub.converse(reason))]
    assert model.complete(REQUEST).text == '{"outcome": 3}'


@pytest.mark.parametrize(
    ("code", "status", "requests"),
    [
        ("ThrottlingException", 429, 2),
        ("ModelNotReadyException", 429, 2),
        ("InternalServerException", 500, 2),
        ("ServiceUnavailableException", 503, 2),
        ("SomethingOfAProxy", 502, 2),
        ("ServiceQuotaExceededException", 400, 1),
    ],
)
def test_trouble_that_time_heals_is_waited_for(
    stub: Stub, model: BedrockModel, code: str, status: int, requests: int
) -> None:
    stub.always = fault(code, status)
    with pytest.raises(Away, match=code):
        model.complete(REQUEST)
    assert len(stub.asked) == requests


def test_a_moment_of_trouble_is_not_noticed(stub: Stub, model: BedrockModel) -> None:
    stub.script = [fault("ThrottlingException", 429), None]
    assert model.complete(REQUEST).text == '{"outcome": 3}'


def test_a_server_s_error_does_not_tell_what_was_said_in_the_call(stub: Stub, model: BedrockModel) -> None:
    stub.always = fault("InternalServerException", 500, "cannot handle السلام")
    with pytest.raises(Away) as away:
        model.complete(REQUEST)
    assert "السلام" not in str(away.value)


@pytest.mark.parametrize(("code", "status"), [("ModelTimeoutException", 408), ("ModelErrorException", 424)])
def test_a_model_that_did_not_manage_gets_one_more_try(stub: Stub, model: BedrockModel, code: str, status: int) -> None:
    stub.script = [fault(code, status), None]
    assert model.complete(REQUEST).text == '{"outcome": 3}'
    stub.asked.clear()
    stub.always = fault(code, status)
    with pytest.raises(NoAnswer, match=code):
        model.complete(REQUEST)
    assert len(stub.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>welcome</html>",
        b"[1, 2]",
        b"[" * 100_000,
        b'{"output": "3"}',
        b'{"output": {"message": {}}}',
        b"\xff",
    ],
    ids=["nothing", "a page", "a list", "a pit", "a text", "half", "no text"],
)
def test_garbage_gets_one_more_try_and_then_there_is_no_answer(stub: Stub, model: BedrockModel, body: bytes) -> None:
    stub.script = [Reply(200, body), None]
    assert model.complete(REQUEST).text == '{"outcome": 3}'
    stub.asked.clear()
    stub.always = Reply(200, body)
    with pytest.raises(NoAnswer, match="twice without"):
        model.complete(REQUEST)
    assert len(stub.asked) == 2


@pytest.mark.parametrize("trouble", [Hang(), Drip(), Drip(head=True)], ids=str)
def test_a_server_that_takes_too_long_is_away(stub: Stub, trouble: Hang | Drip) -> None:
    stub.always = trouble
    model = made(stub, timeout_s=0.15)
    with pytest.raises(TooLate, match=r"did not answer within 0\.15 s \(RINGTRUE_CLASSIFIER__TIMEOUT_S\)"):
        model.complete(REQUEST)
    assert len(stub.asked) == 1


@pytest.mark.parametrize("trouble", [Break(), Break(midst=True)], ids=str)
def test_a_connection_that_ends_is_tried_once_more(stub: Stub, model: BedrockModel, trouble: Break) -> None:
    stub.script = [trouble, None]
    assert model.complete(REQUEST).text == '{"outcome": 3}'
    stub.always = trouble
    with pytest.raises(Away, match="cannot be reached"):
        model.complete(REQUEST)


REFUSALS = [
    ("ValidationException", 400, "MODEL"),
    ("ResourceNotFoundException", 404, "MODEL"),
    ("AccessDeniedException", 403, "MODEL"),
    ("UnrecognizedClientException", 403, "API_KEY"),
    ("ExpiredTokenException", 403, "API_KEY"),
    ("InvalidSignatureException", 403, "API_KEY"),
    ("SomethingOfNextYearException", 418, "MODEL"),
]


@pytest.mark.parametrize(("code", "status", "setting"), REFUSALS)
def test_a_request_that_is_refused_while_the_canned_one_passes_has_no_answer(
    stub: Stub, model: BedrockModel, code: str, status: int, setting: str
) -> None:
    stub.script = [fault(code, status, "bad words: السلام"), None]
    with pytest.raises(NoAnswer) as no_answer:
        model.complete(REQUEST)
    assert no_answer.value.reason == f"refused: {code}"
    assert [asked.body["messages"][-1]["content"][0]["text"] for asked in stub.asked] == [REQUEST.user, CANNED.user]


@pytest.mark.parametrize(("code", "status", "setting"), REFUSALS)
def test_a_refusal_of_the_canned_request_too_is_an_error_that_names_the_setting(
    stub: Stub, model: BedrockModel, code: str, status: int, setting: str
) -> None:
    stub.always = fault(code, status)
    with pytest.raises(Misconfigured) as wrong:
        model.complete(REQUEST)
    assert all(part in str(wrong.value) for part in (code, "the words of the server", f"__{setting}", MODEL))
    assert len(stub.asked) == 2


@pytest.mark.parametrize(("code", "status", "setting"), REFUSALS[1:])
def test_a_wrong_setting_is_found_at_the_start_with_one_request(
    stub: Stub, model: BedrockModel, code: str, status: int, setting: str
) -> None:
    stub.always = fault(code, status)
    with pytest.raises(Misconfigured, match=f"RINGTRUE_CLASSIFIER__{setting}"):
        model.check()
    assert len(stub.asked) == 1


def test_an_unknown_model_is_found_at_the_start_with_few_requests(stub: Stub, model: BedrockModel) -> None:
    stub.always = fault("ValidationException", 400, "The provided model identifier is invalid.")
    with pytest.raises(Misconfigured, match=r"identifier is invalid.*RINGTRUE_CLASSIFIER__MODEL"):
        model.check()
    assert len(stub.asked) == 3


def test_trouble_between_a_refusal_and_the_canned_request_blames_nobody(stub: Stub, model: BedrockModel) -> None:
    stub.script = [fault("ValidationException", 400)]
    stub.always = fault("ThrottlingException", 429)
    with pytest.raises(Away):
        model.complete(REQUEST)
    stub.script = [fault("ValidationException", 400)]
    stub.always = Reply(200, b"<html>")
    with pytest.raises(Away):
        model.complete(REQUEST)


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("You invoked an unsupported model or your request did not allow prompt caching.", {"temperature", "schema"}),
        ("temperature is deprecated for this model", {"cache", "schema"}),
        ("outputConfig.textFormat: this model does not support it", {"cache", "temperature"}),
        ("Malformed input request, please reformat your input and try again.", {"temperature"}),
    ],
)
def test_what_a_model_does_not_take_it_is_asked_without(
    stub: Stub, model: BedrockModel, message: str, left: set[str]
) -> None:
    stub.script = [fault("ValidationException", 400, message), None]
    model.check()
    model.complete(REQUEST)
    body = stub.asked[-1].body
    sent = {
        "cache": "cachePoint" in str(body),
        "temperature": "temperature" in body["inferenceConfig"],
        "schema": "outputConfig" in body,
    }
    assert {name for name, there in sent.items() if there} == left
    assert len(stub.asked) == 3


def test_a_schema_that_is_insisted_on_is_not_given_up(stub: Stub) -> None:
    model = made(stub, structured="schema", prompt_caching=False)
    stub.always = fault("ValidationException", 400, "no schema here")
    with pytest.raises(Misconfigured, match="no schema here"):
        model.check()


def test_plain_answers_and_no_caching_are_settings(stub: Stub) -> None:
    made(stub, structured="plain", prompt_caching=False).complete(REQUEST)
    assert "outputConfig" not in stub.asked[0].body
    assert "cachePoint" not in str(stub.asked[0].body)


def test_a_server_that_is_no_bedrock_is_found_at_the_start(stub: Stub, model: BedrockModel) -> None:
    stub.always = Reply(200, b"<html>welcome</html>")
    with pytest.raises(Misconfigured, match=r"not like the server of a language model.*RINGTRUE_CLASSIFIER__ENDPOINT"):
        model.check()


def test_a_model_that_does_not_manage_at_the_start_is_waited_for(stub: Stub, model: BedrockModel) -> None:
    stub.always = fault("ModelTimeoutException", 408)
    with pytest.raises(Away, match="ModelTimeoutException"):
        model.check()


def test_a_canned_request_that_is_stopped_was_taken(stub: Stub, model: BedrockModel) -> None:
    stub.script = [Reply(200, stub.converse("max_tokens"))]
    model.check()


def test_a_region_is_needed_and_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match=r"RINGTRUE_CLASSIFIER__REGION=''.*You must specify a region"):
        BedrockModel(MODEL)
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__REGION='over there'"):
        BedrockModel(MODEL, region="over there")

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    model = BedrockModel(MODEL, region="eu-west-33")
    with pytest.raises(Misconfigured, match=r"bedrock-runtime\.eu-west-33\..*RINGTRUE_CLASSIFIER__REGION"):
        model.check()
    with pytest.raises(Away):
        model.complete(REQUEST)


def test_an_endpoint_must_be_one() -> None:
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__ENDPOINT='nowhere'"):
        BedrockModel(MODEL, region="eu-west-3", endpoint="nowhere")


def test_credentials_are_needed(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Misconfigured, match=r"(?i)credentials.*RINGTRUE_CLASSIFIER__API_KEY"):
        made(stub).check()
    assert not stub.asked

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ringtrue.errors import Away, Misconfigured
from services.classifier.models.openai import OpenAIModel
from services.classifier.models.port import Completion, NoAnswer, TooLate
from services.classifier.models.remote import CANNED
from tests.unit.classifier.models.clock import Time
from tests.unit.classifier.models.stub import REQUEST, Break, Drip, Hang, Reply, Stub


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def model(stub: Stub, clock: Time) -> OpenAIModel:
    return made(stub, clock)


def made(stub: Stub, clock: Time, **options: Any) -> OpenAIModel:
    given: dict[str, Any] = {
        "endpoint": f"{stub.url}/v1",
        "timeout_s": 5,
        "clock": clock,
        "sleep": clock.sleep,
    } | options
    return OpenAIModel("tiny", **given)


def fault(status: int, message: str = "the words of the server", **headers: str) -> Reply:
    return Reply(
        status, {"error": {"message": message}}, {name.replace("_", "-"): text for name, text in headers.items()}
    )


def test_a_request_becomes_a_chat_with_a_schema(stub: Stub, clock: Time) -> None:
    model = made(stub, clock, api_key="synthetic-key")
    assert model.complete(REQUEST) == Completion('{"outcome": 3}', 100, 8, "tiny-of-the-server")
    (asked,) = stub.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer synthetic-key"
    assert [(message["role"], message["content"]) for message in asked.body["messages"]] == [
        ("system", "You judge calls."),
        ("user", '{"words": ["allô"]}'),
        ("assistant", '{"outcome": 3}'),
        ("user", '{"words": ["non"]}'),
        ("assistant", '{"outcome": 1}'),
        ("user", REQUEST.user),
    ]
    assert asked.body["response_format"]["json_schema"]["schema"] == REQUEST.schema
    assert (asked.body["temperature"], asked.body["max_tokens"], asked.body["model"]) == (0, 64, "tiny")
    assert "tools" not in asked.body


def test_without_a_key_none_is_sent(stub: Stub, model: OpenAIModel) -> None:
    model.complete(REQUEST)
    assert "authorization" not in stub.asked[0].headers


def test_a_server_need_not_count_tokens_nor_name_its_model(stub: Stub, model: OpenAIModel) -> None:
    answer = stub.chat()
    del answer["usage"], answer["model"]
    stub.script = [Reply(200, answer)]
    assert model.complete(REQUEST) == Completion('{"outcome": 3}', 0, 0, "tiny")


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls", "function_call", "abort", None])
def test_a_completion_that_was_stopped_is_no_answer(stub: Stub, model: OpenAIModel, reason: str | None) -> None:
    stub.script = [Reply(200, stub.chat(reason))]
    with pytest.raises(NoAnswer, match=str(reason)):
        model.complete(REQUEST)
    assert len(stub.asked) == 1


def test_a_refusal_in_words_is_no_answer(stub: Stub, model: OpenAIModel) -> None:
    answer = stub.chat()
    answer["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot"}
    stub.script = [Reply(200, answer)]
    with pytest.raises(NoAnswer, match="refusal"):
        model.complete(REQUEST)


@pytest.mark.parametrize("status", [402, 408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_trouble_that_time_heals_is_waited_for(stub: Stub, clock: Time, model: OpenAIModel, status: int) -> None:
    stub.script = [fault(status), None]
    assert model.complete(REQUEST).text == '{"outcome": 3}'
    stub.asked.clear()
    stub.always = fault(status)
    with pytest.raises(Away, match=str(status)):
        model.complete(REQUEST)
    assert len(stub.asked) == 2
    assert max(clock.slept) <= 0.5


def test_a_short_wait_that_the_server_asks_for_is_waited(stub: Stub, clock: Time, model: OpenAIModel) -> None:
    stub.script = [fault(429, Retry_After="2"), None]
    model.complete(REQUEST)
    assert clock.slept == [2]


@pytest.mark.parametrize(("asked", "waits_s"), [("30", 30), ("86400", 60)])
def test_during_a_longer_wait_the_server_is_left_alone(
    stub: Stub, clock: Time, model: OpenAIModel, asked: str, waits_s: int
) -> None:
    stub.script = [fault(429, Retry_After=asked)]
    for _ in range(3):
        with pytest.raises(Away):
            model.complete(REQUEST)
    clock.now_s += waits_s - 1
    with pytest.raises(Away, match="another 1 s"):
        model.complete(REQUEST)
    assert (len(stub.asked), clock.slept) == (1, [])
    clock.now_s += 2
    assert model.complete(REQUEST).text == '{"outcome": 3}'


def test_a_wait_until_a_date_is_understood(stub: Stub, clock: Time, model: OpenAIModel) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    stub.script = [fault(503, Retry_After=until)]
    for _ in range(2):
        with pytest.raises(Away):
            model.complete(REQUEST)
    assert len(stub.asked) == 1


def test_a_wait_that_cannot_be_read_is_none(stub: Stub, model: OpenAIModel) -> None:
    stub.script = [fault(429, Retry_After="soon"), None]
    model.complete(REQUEST)


def test_what_a_server_says_of_its_own_trouble_is_not_shown_but_of_limits_it_is(stub: Stub, model: OpenAIModel) -> None:
    stub.always = fault(500, "cannot handle السلام")
    with pytest.raises(Away) as away:
        model.complete(REQUEST)
    assert "السلام" not in str(away.value)
    stub.always = fault(429, "quota: 10 a minute")
    with pytest.raises(Away, match="quota: 10 a minute"):
        model.complete(REQUEST)


GARBAGE = {
    "nothing": b"",
    "a page": b"<html>welcome</html>",
    "a list": b"[1, 2]",
    "a pit": b"[" * 100_000,
    "no choices": b'{"choices": []}',
    "no message": b'{"choices": [{"finish_reason": "stop", "message": "3"}]}',
    "parts": b'{"choices": [{"finish_reason": "stop", "message": {"content": [{"type": "text"}]}}]}',
    "no count": b'{"choices": [{"finish_reason": "stop", "message": {}}], "usage": {"prompt_tokens": "x"}}',
    "too much": b'{"choices": [{"message": {"content": "' + b"x" * (2 << 20),
    "no text": b"\xff",
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_garbage_gets_one_more_try_and_then_there_is_no_answer(stub: Stub, model: OpenAIModel, body: bytes) -> None:
    stub.script = [Reply(200, body), None]
    assert model.complete(REQUEST).text == '{"outcome": 3}'
    stub.asked.clear()
    stub.always = Reply(200, body)
    with pytest.raises(NoAnswer, match="twice without"):
        model.complete(REQUEST)
    assert len(stub.asked) == 2


@pytest.mark.parametrize("trouble", [Hang(), Drip(), Drip(head=True)], ids=str)
def test_a_server_that_takes_too_long_is_away(stub: Stub, clock: Time, trouble: Hang | Drip) -> None:
    stub.always = trouble
    with pytest.raises(TooLate, match=r"did not answer within 0\.15 s"):
        made(stub, clock, timeout_s=0.15).complete(REQUEST)


@pytest.mark.parametrize("trouble", [Break(), Break(midst=True)], ids=str)
def test_a_connection_that_ends_is_tried_once_more(stub: Stub, model: OpenAIModel, trouble: Break) -> None:
    stub.script = [trouble, None]
    assert model.complete(REQUEST).text == '{"outcome": 3}'
    stub.always = trouble
    with pytest.raises(Away, match="cannot be reached"):
        model.complete(REQUEST)


REFUSALS = [(400, "MODEL"), (401, "API_KEY"), (403, "API_KEY"), (404, "MODEL"), (413, "MODEL"), (422, "MODEL")]


@pytest.mark.parametrize(("status", "setting"), REFUSALS)
def test_a_request_that_is_refused_while_the_canned_one_passes_has_no_answer(
    stub: Stub, model: OpenAIModel, status: int, setting: str
) -> None:
    stub.script = [fault(status, "bad words: السلام"), None]
    with pytest.raises(NoAnswer) as no_answer:
        model.complete(REQUEST)
    assert no_answer.value.reason == f"refused: {status}"
    assert [asked.body["messages"][-1]["content"] for asked in stub.asked] == [REQUEST.user, CANNED.user]


@pytest.mark.parametrize(("status", "setting"), REFUSALS)
def test_a_refusal_of_the_canned_request_too_is_an_error_that_names_the_setting(
    stub: Stub, model: OpenAIModel, status: int, setting: str
) -> None:
    stub.always = fault(status)
    with pytest.raises(Misconfigured) as wrong:
        model.complete(REQUEST)
    assert all(part in str(wrong.value) for part in (str(status), "the words of the server", f"__{setting}", "tiny"))
    assert len(stub.asked) == 2


@pytest.mark.parametrize(("status", "setting"), REFUSALS)
def test_a_wrong_setting_is_found_at_the_start_with_few_requests(
    stub: Stub, model: OpenAIModel, status: int, setting: str
) -> None:
    stub.always = fault(status)
    with pytest.raises(Misconfigured, match=f"RINGTRUE_CLASSIFIER__{setting}"):
        model.check()
    assert len(stub.asked) == (4 if status in (400, 422) else 1)


def test_a_refusal_that_names_the_model_is_about_the_model(stub: Stub, model: OpenAIModel) -> None:
    stub.always = fault(400, "there is no model 'tiny' here")
    with pytest.raises(Misconfigured, match=r"no model 'tiny' here.*RINGTRUE_CLASSIFIER__MODEL"):
        model.check()
    assert len(stub.asked) == 1


def test_a_key_is_not_shown_when_a_server_repeats_it(stub: Stub, clock: Time) -> None:
    stub.always = fault(401, "Incorrect API key provided: synthetic-key.")
    with pytest.raises(Misconfigured) as wrong:
        made(stub, clock, api_key="synthetic-key").check()
    assert "synthetic-key" not in str(wrong.value)
    assert "provided: ***" in str(wrong.value)


def test_a_redirection_is_an_error_and_takes_the_key_nowhere(stub: Stub, clock: Time) -> None:
    stub.always = Reply(308, b"", {"Location": f"{stub.url}/v2/chat/completions"})
    with pytest.raises(Misconfigured, match=r"it is at http.*/v2/.*RINGTRUE_CLASSIFIER__ENDPOINT"):
        made(stub, clock, api_key="synthetic-key").check()
    assert len(stub.asked) == 1


def test_a_server_that_does_not_know_a_form_of_schema_is_asked_in_the_next_and_at_last_in_none(
    stub: Stub, model: OpenAIModel
) -> None:
    stub.script = [fault(400, "response_format: unknown field"), fault(400), fault(400), None]
    model.check()
    model.complete(REQUEST)
    forms = [{"response_format", "structured_outputs", "guided_json"} & asked.body.keys() for asked in stub.asked]
    assert forms == [{"response_format"}, {"structured_outputs"}, {"guided_json"}, set(), set()]


def test_a_form_that_a_server_knows_is_remembered(stub: Stub, model: OpenAIModel) -> None:
    stub.script = [fault(422), None]
    model.check()
    model.complete(REQUEST)
    assert stub.asked[-1].body["structured_outputs"] == {"json": REQUEST.schema}


def test_a_schema_that_is_insisted_on_is_not_given_up(stub: Stub, clock: Time) -> None:
    stub.always = fault(400, "no schema here")
    with pytest.raises(Misconfigured, match=r"no schema here.*RINGTRUE_CLASSIFIER__STRUCTURED"):
        made(stub, clock, structured="schema").check()
    assert len(stub.asked) == 3


def test_plain_answers_are_a_setting(stub: Stub, clock: Time) -> None:
    made(stub, clock, structured="plain").complete(REQUEST)
    assert {"response_format", "structured_outputs", "guided_json"}.isdisjoint(stub.asked[0].body)


def test_newer_names_of_parameters_are_learnt(stub: Stub, model: OpenAIModel) -> None:
    stub.script = [
        fault(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        fault(400, "Unsupported value: 'temperature' does not support 0 with this model."),
        None,
    ]
    model.check()
    model.complete(REQUEST)
    body = stub.asked[-1].body
    assert (body["max_completion_tokens"], "max_tokens" in body, "temperature" in body) == (64, False, False)
    assert "response_format" in body


def test_a_server_that_speaks_otherwise_is_found_at_the_start(stub: Stub, model: OpenAIModel) -> None:
    stub.always = Reply(200, b"<html>welcome</html>")
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__ENDPOINT"):
        model.check()


@pytest.mark.parametrize("endpoint", ["", "localhost:8000/v1", "ftp://localhost/v1", "http://", "http://a:b@localhost"])
def test_an_endpoint_is_needed_and_must_be_one(endpoint: str) -> None:
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__ENDPOINT"):
        OpenAIModel("tiny", endpoint=endpoint)


@pytest.mark.parametrize("key", ["two words", "line\nend", "clé"])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__API_KEY") as wrong:
        OpenAIModel("tiny", endpoint="http://localhost", api_key=key)
    assert key not in str(wrong.value)

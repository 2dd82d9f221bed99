import sys
from pathlib import Path
from typing import Literal

import pytest

from ringtrue.errors import Away, Misconfigured
from ringtrue.settings import ClassifierSettings
from services.classifier.models.opening import open_model
from tests.unit.classifier.models.stub import REQUEST, Hang, Reply, Stub
from tests.unit.classifier.models.tiny import causal


def settings(stub: Stub, **others: object) -> ClassifierSettings:
    return ClassifierSettings.model_validate(
        {"endpoint": stub.url, "region": "eu-west-3", "api_key": "synthetic-key", "timeout_s": 5} | others
    )


@pytest.mark.parametrize("name", ["bedrock", "openai"])
def test_a_model_is_asked_a_canned_request_at_the_start(stub: Stub, name: Literal["bedrock", "openai"]) -> None:
    model = open_model(name, "tiny", settings(stub), canned=REQUEST)
    assert (model.name, model.model, len(stub.asked)) == (name, "tiny", 1)
    assert stub.asked[0].headers["authorization"] == "Bearer synthetic-key"
    assert REQUEST.user in str(stub.asked[0].body)
    assert model.complete(REQUEST).text == '{"outcome": 3}'
    model.close()


@pytest.mark.parametrize("name", ["bedrock", "openai"])
def test_a_model_that_is_away_at_the_start_is_waited_for(stub: Stub, name: Literal["bedrock", "openai"]) -> None:
    stub.always = Hang()
    with pytest.raises(Away, match="127"):
        open_model(name, "tiny", settings(stub, timeout_s=0.1))


@pytest.mark.parametrize("name", ["bedrock", "openai"])
def test_a_wrong_key_is_an_error_at_the_start(stub: Stub, name: Literal["bedrock", "openai"]) -> None:
    stub.always = Reply(403, {"message": "no such key"}, {"x-amzn-ErrorType": "UnrecognizedClientException"})
    with pytest.raises(Misconfigured, match=r"no such key.*RINGTRUE_CLASSIFIER__API_KEY"):
        open_model(name, "tiny", settings(stub))
    assert len(stub.asked) == 1


def test_limits_are_those_of_the_settings(stub: Stub) -> None:
    model = open_model("openai", "tiny", settings(stub, requests_per_minute=1))
    with pytest.raises(Away, match="our own limits"):
        model.complete(REQUEST)
    model.close()


def test_a_local_model_needs_no_server(tmp_path: Path) -> None:
    model = open_model("local", str(causal(tmp_path, writes="31")), ClassifierSettings(device="cpu"))
    assert model.complete(REQUEST).text == "31"
    model.close()


def test_a_model_must_be_named(stub: Stub) -> None:
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__MODEL is not set"):
        open_model("openai", "", settings(stub))


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("bedrock", "boto3.session", "classifier"), ("local", "torch", "asr")]
)
def test_a_package_that_is_missing_is_named_with_what_brings_it(
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
    name: Literal["bedrock", "local"],
    package: str,
    extra: str,
) -> None:
    for module in ("bedrock", "local", "checkpoint"):
        monkeypatch.delitem(sys.modules, f"services.classifier.models.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Misconfigured, match=rf"{package}: install ringtrue\[{extra}\]"):
        open_model(name, "tiny", settings(stub))

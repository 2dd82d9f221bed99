"""The OpenAI transport on a real server: llama.cpp's, which holds even a model of random weights to the schema."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ringtrue.errors import Away, Misconfigured
from services.classifier.models.openai import OpenAIModel
from services.classifier.models.port import NoAnswer
from tests.unit.classifier.models import llama
from tests.unit.classifier.models.stub import REQUEST
from tests.unit.classifier.models.tiny import causal

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

KEY = "synthetic-key"
SCHEMA = {
    "type": "object",
    "properties": {"outcome": {"enum": [0, 1, 2, 3, 4]}, "behaviour": {"enum": [0, 1]}},
    "required": ["outcome", "behaviour"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("llama")
    file = llama.written(causal(folder / "babbles", max_position_embeddings=1024), folder / "babbles.gguf")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(Path(llama.__file__)), str(file), KEY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=30)


def asked(server: str, **options: Any) -> OpenAIModel:
    given: dict[str, Any] = {"endpoint": f"{server}/v1", "api_key": KEY} | options
    model = OpenAIModel("tiny", **given)
    model.check()
    return model


def test_a_model_is_held_to_the_schema(server: str) -> None:
    model = asked(server, structured="schema")
    for text in ("allô", "non merci", "السلام عليكم"):
        completion = model.complete(dataclasses.replace(REQUEST, user=text, schema=SCHEMA))
        answer = json.loads(completion.text)
        assert answer["outcome"] in range(5)
        assert answer["behaviour"] in (0, 1)
        assert completion.input_tokens > 50
        assert completion.output_tokens > 10
    model.close()


def test_without_the_schema_it_babbles(server: str) -> None:
    model = asked(server, structured="plain")
    text = ""
    with suppress(NoAnswer):
        text = model.complete(REQUEST).text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    model.close()


def test_an_answer_that_is_cut_off_is_none(server: str) -> None:
    model = asked(server)
    with pytest.raises(NoAnswer, match="stopped: length"):
        model.complete(dataclasses.replace(REQUEST, max_tokens=1))
    model.close()


def test_a_call_that_is_too_long_has_no_answer_and_the_next_one_has(server: str) -> None:
    model = asked(server)
    with pytest.raises(NoAnswer, match="refused: 400"):
        model.complete(dataclasses.replace(REQUEST, user="long " * 1000))
    assert json.loads(model.complete(REQUEST).text)
    model.close()


def test_a_wrong_key_is_an_error_that_names_the_setting_and_says_what_the_server_said(server: str) -> None:
    with pytest.raises(Misconfigured, match=r"401: .*RINGTRUE_CLASSIFIER__API_KEY"):
        asked(server, api_key="another")


def test_a_wrong_path_is_an_error_that_names_the_setting(server: str) -> None:
    with pytest.raises(Misconfigured, match=r"404: .*RINGTRUE_CLASSIFIER__ENDPOINT"):
        asked(server, endpoint=f"{server}/v3")


def test_a_time_that_is_too_short_is_said_to_be(server: str) -> None:
    with pytest.raises(Away, match="RINGTRUE_CLASSIFIER__TIMEOUT_S"):
        asked(server, timeout_s=0.001)

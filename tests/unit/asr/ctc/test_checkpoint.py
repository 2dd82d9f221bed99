"""A checkpoint that cannot serve is refused when it is opened, by the name of the file that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertForCTC

from services.asr.ctc.checkpoint import Checkpoint, open_checkpoint
from services.asr.engine import CheckpointError, EngineOptions
from tests.unit.asr.ctc.models import w2v_bert, wav2vec2


def opened(folder: Path | str, **options: Any) -> Checkpoint:
    return open_checkpoint(EngineOptions(str(folder), "cpu", **options))


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = w2v_bert(tmp_path)
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        opened(folder)


def test_a_damaged_or_foreign_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    folder = w2v_bert(tmp_path)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="weights cannot be read"):
        opened(folder)
    rewrite(folder / "config.json", model_type="whisper")
    with pytest.raises(CheckpointError, match=r"config\.json: model_type is 'whisper'; .* 'wav2vec2-bert', 'wav2vec2'"):
        opened(folder)
    (folder / "config.json").write_text("{", "utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json is not valid JSON"):
        opened(folder)
    (folder / "config.json").write_text("[]", "utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json does not hold a JSON object"):
        opened(folder)


def test_weights_that_would_stay_random_are_refused(tmp_path: Path) -> None:
    folder = w2v_bert(tmp_path)
    rewrite(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(CheckpointError, match="lacks"):
        opened(folder)


def test_pickled_weights_are_read_only_when_that_is_allowed(tmp_path: Path) -> None:
    folder = w2v_bert(tmp_path)
    model = Wav2Vec2BertForCTC.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin.*RINGTRUE_ASR__ALLOW_PICKLE"):
        opened(folder)
    assert len(opened(folder, allow_pickle=True).revision) == 12


def test_a_shard_that_the_index_names_must_be_there(tmp_path: Path) -> None:
    folder = w2v_bert(tmp_path)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"lm_head.weight": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    with pytest.raises(CheckpointError, match=r"model-00001-of-00001\.safetensors is missing"):
        opened(folder)


@pytest.mark.parametrize(
    ("make", "change", "complaint"),
    [
        (w2v_bert, {"stride": 4}, "stride is 4; frames of 80 values side by side must make the 160"),
        (w2v_bert, {"sampling_rate": 8_000}, "sampling_rate is 8000; this engine computes 16000"),
        (wav2vec2, {"sampling_rate": 8_000}, "sampling_rate is 8000; this engine computes 16000"),
    ],
)
def test_features_that_the_front_end_does_not_compute_are_refused(
    tmp_path: Path, make: Any, change: dict[str, int], complaint: str
) -> None:
    folder = make(tmp_path)
    rewrite(folder / "preprocessor_config.json", **change)
    with pytest.raises(CheckpointError, match=rf"preprocessor_config\.json: {complaint}"):
        opened(folder)


def test_features_may_be_described_where_newer_versions_do_it(tmp_path: Path) -> None:
    folder = w2v_bert(tmp_path)
    (folder / "preprocessor_config.json").unlink()
    extractor = json.loads(SeamlessM4TFeatureExtractor(stride=2, padding_value=0.5).to_json_string())
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": extractor}), "utf-8")
    assert opened(folder).stack.padding == 0.5


@pytest.mark.parametrize(
    ("tokens", "complaint"),
    [
        (["<pad>", "|", "a"], r"holds \d tokens where the model has"),
        (["<pad>", "<unk>", "|", *(f"t{i}" for i in range(40))], "tokens beyond the model's"),
        (["<unk>", "|", *"abcdefghijklmnop"], "the blank token '<pad>' is not in it"),
    ],
)
def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path, tokens: list[str], complaint: str) -> None:
    folder = w2v_bert(tmp_path)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), "utf-8")
    with pytest.raises(CheckpointError, match=rf"vocab\.json.*{complaint}"):
        opened(folder)


def test_a_tokenizer_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    folder = w2v_bert(tmp_path)
    rewrite(folder / "tokenizer_config.json", tokenizer_class="WhisperTokenizer")
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: tokenizer_class is 'WhisperTokenizer'"):
        opened(folder)


def test_a_folder_that_is_not_there_is_said() -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        opened("./nowhere")
    with pytest.raises(CheckpointError, match="RINGTRUE_ASR__MODEL"):
        opened("")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("vocab.json", {"<pad>": "0", "|": 1}, "the number of '<pad>' is '0'"),
        ("vocab.json", {"<pad>": 0, "|": None}, "the number of '|' is None"),
        ("vocab.json", {"<pad>": 0, "|": -1}, "the number of '|' is -1"),
        ("preprocessor_config.json", {"padding_value": None}, "padding_value is None"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, name: str, content: dict[str, Any], complaint: str) -> None:
    folder = w2v_bert(tmp_path)
    (folder / name).write_text(json.dumps(content), "utf-8")
    with pytest.raises(
        CheckpointError, match=rf"({name.replace('.', '[.]')}: {complaint.replace('|', '[|]')}|tokenizer's files)"
    ):
        opened(folder)


def test_a_shape_that_the_configuration_does_not_give_is_said_with_its_file(tmp_path: Path) -> None:
    folder = w2v_bert(tmp_path)
    rewrite(folder / "config.json", hidden_size=64)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        opened(folder)

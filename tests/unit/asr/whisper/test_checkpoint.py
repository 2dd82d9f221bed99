"""A checkpoint is whole and Whisper's, or the error at the start names the file and what is expected of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from services.asr.checkpoints import folder_of, revision_of, weights_of
from services.asr.engine import CheckpointError, load_engine
from tests.unit.asr.whisper import tiny


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A checkpoint to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as refused:
        tiny.engine(folder, **options)
    return str(refused.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert f"{copy / name} is missing" in refusal(copy)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_a_file_that_is_no_json_is_named(copy: Path, name: str) -> None:
    (copy / name).write_text("{", "utf-8")
    assert f"{copy / name} is not valid JSON" in refusal(copy)


@pytest.mark.parametrize(
    "values", [{"model_type": "wav2vec2-bert"}, {"architectures": ["WhisperForAudioClassification"]}]
)
def test_another_architecture_is_refused(copy: Path, values: dict[str, Any]) -> None:
    tiny.change(copy / "config.json", **values)
    message = refusal(copy)
    assert "config.json" in message
    assert "this engine runs 'whisper' (WhisperForConditionalGeneration)" in message


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(copy: Path, tmp_path: Path) -> None:
    smaller = tiny.checkpoint(tmp_path / "smaller", vocab_size=len(tiny.IDS) - 1)
    assert f"tokenizer.json: its ids reach {len(tiny.IDS) - 1}, but the model's vocab_size" in refusal(smaller)


def test_a_tokenizer_whose_ids_are_shifted_is_refused(copy: Path) -> None:
    # As one for English only is against a multilingual one: by one.
    tiny.change(copy / "config.json", decoder_start_token_id=tiny.IDS["<|startoftranscript|>"] - 1)
    tiny.change(copy / "generation_config.json", decoder_start_token_id=None)
    message = refusal(copy)
    assert "tokenizer.json: decoder_start_token_id is" in message
    assert "do not belong together" in message


def test_a_tokenizer_of_another_model_is_refused(copy: Path) -> None:
    text = (copy / "tokenizer.json").read_text("utf-8").replace("<|startofprev|>", "<|other|>")
    (copy / "tokenizer.json").write_text(text, "utf-8")
    settings = (copy / "tokenizer_config.json").read_text("utf-8").replace("<|startofprev|>", "<|other|>")
    (copy / "tokenizer_config.json").write_text(settings, "utf-8")
    assert "tokenizer.json: it has no <|startofprev|>" in refusal(copy)


def test_a_damaged_tokenizer_is_named(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("[]", "utf-8")
    assert "tokenizer.json: the tokenizer cannot be read" in refusal(copy)


def test_spaces_stay_where_the_model_wrote_them(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny.change(copy / "tokenizer_config.json", clean_up_tokenization_spaces=True)
    tokenizer = tiny.engine(copy)._checkpoint.tokenizer
    assert tokenizer.decode(tokenizer(" oui , allô ?", add_special_tokens=False).input_ids) == " oui , allô ?"
    assert capfd.readouterr() == ("", "")


def test_features_that_the_model_was_not_made_for_are_refused(copy: Path) -> None:
    WhisperFeatureExtractor(feature_size=128, chunk_length=tiny.WINDOW_S).save_pretrained(copy)
    assert "preprocessor_config.json: feature_size is 128; the model needs 80" in refusal(copy)
    WhisperFeatureExtractor(feature_size=80, chunk_length=30).save_pretrained(copy)
    assert "preprocessor_config.json: chunk_length gives 3000 frames; the model needs 200" in refusal(copy)


def test_features_may_be_described_as_newer_checkpoints_do(copy: Path) -> None:
    features = json.loads((copy / "preprocessor_config.json").read_text("utf-8"))
    (copy / "preprocessor_config.json").unlink()
    (copy / "processor_config.json").write_text(json.dumps({"feature_extractor": features}), "utf-8")
    assert tiny.engine(copy).model == "copy"


def test_alignment_heads_that_the_model_has_not_are_refused(copy: Path) -> None:
    tiny.change(copy / "generation_config.json", alignment_heads=[[1, 0], [7, 0]])
    assert "generation_config.json: alignment_heads names head 0 of layer 7" in refusal(copy)


def test_weights_that_would_stay_at_random_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["model.decoder.layers.1.fc1.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert "lacks 1 of the model's weights, such as model.decoder.layers.1.fc1.weight" in refusal(copy)


def test_damaged_weights_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"no weights")
    assert "the weights cannot be read" in refusal(copy)


def test_pickled_weights_are_read_only_where_a_setting_allows_it(copy: Path) -> None:
    safe = copy / "model.safetensors"
    torch.save(load_file(safe), copy / "pytorch_model.bin")
    safe.unlink()
    message = refusal(copy)
    assert f"{safe} is missing" in message
    assert "RINGTRUE_ASR__ALLOW_PICKLE=true" in message
    assert tiny.engine(copy, allow_pickle=True).transcribe(tiny.segments(1.0))[0].text


def test_safetensors_are_preferred_to_pickles(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"never read")
    assert weights_of(copy, allow_pickle=True) == [copy / "model.safetensors"]


def test_a_missing_part_of_divided_weights_is_named(folder: Path, copy: Path) -> None:
    whole = tiny.engine(folder).transcribe(tiny.segments(1.0))[0]
    (copy / "model.safetensors").unlink()
    WhisperForConditionalGeneration.from_pretrained(folder).save_pretrained(copy, max_shard_size="50KB")
    assert tiny.engine(copy).transcribe(tiny.segments(1.0))[0].text == whole.text
    part = weights_of(copy)[1]
    part.unlink()
    message = refusal(copy)
    assert f"{part} is missing" in message
    assert "model.safetensors.index.json" in message


def test_the_revision_changes_with_the_weights_alone(folder: Path, copy: Path) -> None:
    before = revision_of(weights_of(folder))
    assert len(before) == 12
    assert revision_of(weights_of(copy)) == before
    weights = load_file(copy / "model.safetensors")
    weights["model.decoder.layers.0.fc1.bias"][0] += 1e-3
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert revision_of(weights_of(copy)) != before
    assert tiny.engine(copy).model_revision == revision_of(weights_of(copy))


def test_without_a_generation_config_all_later_heads_are_followed(copy: Path) -> None:
    (copy / "generation_config.json").unlink()
    # Of so small a vocabulary it is for English only, as far as one can tell.
    heard = tiny.engine(copy).transcribe(tiny.segments(1.0))[0]
    assert heard.language == "en"
    assert heard.words


def test_a_checkpoint_of_the_old_kind_is_loaded_without_a_word(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    forced = [[1, None], [2, tiny.IDS["<|transcribe|>"]]]
    tiny.change(copy / "generation_config.json", forced_decoder_ids=forced, alignment_heads=None, lang_to_id=None)
    tiny.change(copy / "config.json", forced_decoder_ids=forced, max_length=tiny.LONGEST, begin_suppress_tokens=[1])
    heard = tiny.engine(copy).transcribe(tiny.segments(1.0, 1.5))
    assert {one.language for one in heard} <= {"en", "fr", "ar", "zh", "jv"}
    assert all(one.text for one in heard)
    assert capfd.readouterr() == ("", "")


def test_a_model_that_is_neither_folder_nor_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="RINGTRUE_ASR__MODEL is not set"):
        load_engine("whisper")
    with pytest.raises(CheckpointError, match="no such folder"):
        folder_of(str(tmp_path / "nowhere"))


def test_a_name_on_the_hub_is_loaded_from_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.extend((name, allow_patterns))
        if name != "openai/whisper-tiny":
            raise OSError("no such repository")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert tiny.engine(Path("openai/whisper-tiny")).model == "openai/whisper-tiny"
    assert not any("bin" in pattern for pattern in asked[1])
    folder_of("openai/whisper-tiny", allow_pickle=True)
    assert "pytorch_model.bin" in asked[3]
    assert "the hub did not give a model of that name (no such repository)" in refusal(Path("openai/other"))

"""The CTC engine against the Hugging Face reference: each segment alone, float32."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.asr.ctc import acceleration, guard, logmel
from services.asr.ctc import engine as module
from services.asr.ctc.checkpoint import open_checkpoint
from services.asr.ctc.engine import CtcEngine, load
from services.asr.ctc.networks import PackedNetwork
from services.asr.engine import EngineError, EngineOptions, Segment, SegmentError, Transcription, load_engine
from services.asr.metrics import HALVINGS, RERUNS
from tests.unit.asr.ctc.models import in_positions, reference, segments, w2v_bert

#: Odd and even numbers of frames, one frame more or less than a position, and too short to be heard.
LENGTHS = [16_000, 9_999, 560, 33_333, 12_345, 719, 720, 25_000, 16_160, 100]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return w2v_bert(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def opened() -> Iterator[list[CtcEngine]]:
    engines = list[CtcEngine]()
    yield engines
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(folder: Path, opened: list[CtcEngine]) -> CtcEngine:
    opened.append(load(EngineOptions(str(folder), "cpu")))
    return opened[-1]


def texts(heard: list[Transcription]) -> list[str]:
    return [one.text for one in heard]


def test_texts_of_a_batch_are_those_of_the_reference_for_each_segment_alone(folder: Path, engine: CtcEngine) -> None:
    spoken = segments(LENGTHS)
    heard = engine.transcribe(spoken)
    expected = [reference(folder, s) if len(s.samples) >= logmel.LEAST_SAMPLES else ("", []) for s in spoken]
    assert [in_positions(one) for one in heard] == expected
    assert len(set(texts(heard))) >= 8  # the random model does say something
    assert any(len(t.words) > 3 for t in heard)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"add_adapter": True}, id="an adapter after the encoder"),
        pytest.param({"position_embeddings_type": "rotary"}, id="rotary positions"),
        pytest.param({"position_embeddings_type": "relative"}, id="relative positions"),
        pytest.param({"position_embeddings_type": None}, id="no positions"),
        pytest.param({"hidden_act": "gelu"}, id="another activation"),
        pytest.param({"left_max_position_embeddings": 5, "right_max_position_embeddings": 0}, id="other distances"),
        pytest.param(
            {"add_adapter": True, "use_intermediate_ffn_before_adapter": True}, id="a feed-forward before the adapter"
        ),
        pytest.param({"mask_time_prob": 0.0, "mask_feature_prob": 0.0}, id="no training-only weight"),
        pytest.param({"stride": 4}, id="four frames a position"),
        pytest.param({"stride": 3}, id="three frames a position"),
        pytest.param({"stride": 4, "position_embeddings_type": "rotary"}, id="four frames, rotary positions"),
    ],
)
def test_every_kind_of_w2v_bert_gives_in_a_batch_what_the_reference_gives_alone(
    tmp_path: Path, opened: list[CtcEngine], config: dict[str, Any]
) -> None:
    folder = w2v_bert(tmp_path, **config)
    shortest = 719 if "stride" not in config else 1_200  # the reference fails where there is no position at all
    spoken = segments([16_000, 9_999, 33_333, 16_000, shortest, 16_100])
    opened.append(load(EngineOptions(str(folder), "cpu")))
    heard = opened[-1].transcribe(spoken)
    position_ms = 10 * config.get("stride", 2) * (2 if "add_adapter" in config else 1)
    assert [in_positions(one, position_ms) for one in heard] == [reference(folder, segment) for segment in spoken]
    assert len(set(texts(heard))) >= 4


def test_order_company_and_size_of_batches_do_not_change_a_text(
    folder: Path, engine: CtcEngine, opened: list[CtcEngine]
) -> None:
    spoken = segments(LENGTHS)
    together = texts(engine.transcribe(spoken))
    assert texts(engine.transcribe(spoken[::-1]))[::-1] == together
    assert [engine.transcribe([segment])[0].text for segment in spoken] == together
    opened.append(load(EngineOptions(str(folder), "cpu", batch_s=1.0)))
    assert texts(opened[-1].transcribe(spoken)) == together


def test_telephone_audio_is_resampled_by_the_one_filter(folder: Path, engine: CtcEngine) -> None:
    (segment,) = segments([8_000], rate_hz=8_000)
    assert engine.transcribe([segment])[0].text == reference(folder, segment)[0]


def test_silence_and_too_short_audio_have_a_defined_result(engine: CtcEngine) -> None:
    short = [Segment(np.zeros(n, np.float32), 16_000) for n in (0, 1, 240, 400, 559)]
    assert [(t.text, t.words, t.margin) for t in engine.transcribe(short)] == [("", (), None)] * 5
    (silent,) = engine.transcribe([Segment(np.zeros(16_000, np.float32), 16_000)])
    assert all(0 <= word.confidence <= 1 for word in silent.words)
    assert engine.transcribe([]) == []


def test_results_carry_probabilities_a_margin_and_a_revision_that_follows_the_weights(
    folder: Path, engine: CtcEngine, opened: list[CtcEngine], tmp_path: Path
) -> None:
    (heard,) = engine.transcribe(segments([33_333]))
    assert all(0 < word.confidence <= 1 for word in heard.words)
    assert heard.margin is not None
    assert heard.margin > 0
    opened.append(load(EngineOptions(str(folder), "cpu")))
    assert heard.model_revision == opened[-1].model_revision
    opened.append(load(EngineOptions(str(w2v_bert(tmp_path, num_hidden_layers=1)), "cpu")))
    assert opened[-1].model_revision != heard.model_revision


def test_samples_that_are_not_numbers_are_refused(engine: CtcEngine) -> None:
    with pytest.raises(SegmentError, match="segment 0"):
        engine.transcribe([Segment(np.array([0.0, np.nan] * 400, np.float32), 16_000)])


def test_what_half_precision_cannot_vouch_for_is_run_again_and_the_texts_are_those_of_float32(
    folder: Path, engine: CtcEngine, opened: list[CtcEngine]
) -> None:
    spoken = segments([20_000] * 12 + [9_999] * 12)
    exact = texts(engine.transcribe(spoken))
    opened.append(load(EngineOptions(str(folder), "cpu", precision="bfloat16", guard=0.0)))
    unguarded = texts(opened[-1].transcribe(spoken))
    assert unguarded != exact  # so there is something to guard against
    opened.append(load(EngineOptions(str(folder), "cpu", precision="bfloat16")))
    before = RERUNS._value.get()
    assert texts(opened[-1].transcribe(spoken)) == exact
    assert RERUNS._value.get() > before


def test_the_threshold_of_the_guard_grows_with_the_error_that_is_seen(
    folder: Path, opened: list[CtcEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "THRESHOLDS", {torch.bfloat16: 1e-6, torch.float32: 0.0})
    opened.append(load(EngineOptions(str(folder), "cpu", precision="bfloat16")))
    assert opened[-1].threshold > 0.001  # measured when it was loaded
    opened.append(load(EngineOptions(str(folder), "cpu", precision="bfloat16", guard=5.0)))
    assert opened[-1].threshold == 5.0
    opened.append(load(EngineOptions(str(folder), "cpu", guard=5.0)))
    assert opened[-1].threshold == 0.0  # float32 has nothing to be checked by


def test_an_error_that_shows_only_while_a_call_runs_has_the_rest_of_that_call_run_again(
    folder: Path, engine: CtcEngine, opened: list[CtcEngine]
) -> None:
    spoken = segments([20_000] * 12 + [9_999] * 12)
    opened.append(load(EngineOptions(str(folder), "cpu", precision="bfloat16")))
    hasty = opened[-1]
    hasty._threshold = guard.Threshold(0.01)  # as if noise had shown almost no error
    assert texts(hasty.transcribe(spoken)) == texts(engine.transcribe(spoken))
    assert hasty.threshold > 0.01


def test_a_checkpoint_that_overflows_in_half_precision_runs_in_the_next_wider_one(
    tmp_path: Path, opened: list[CtcEngine]
) -> None:
    folder = w2v_bert(tmp_path)
    checkpoint = open_checkpoint(EngineOptions(str(folder), "cpu"))
    with torch.no_grad():
        checkpoint.model.wav2vec2_bert.encoder.layers[0].ffn1.intermediate_dense.weight.mul_(1e6)
    opened.append(CtcEngine(checkpoint, torch.device("cpu"), torch.float16))
    exact = open_checkpoint(EngineOptions(str(folder), "cpu"))
    with torch.no_grad():
        exact.model.wav2vec2_bert.encoder.layers[0].ffn1.intermediate_dense.weight.mul_(1e6)
    opened.append(CtcEngine(exact, torch.device("cpu")))
    overflowing, plain = opened
    assert isinstance(overflowing._network, PackedNetwork)
    assert overflowing._network._dtype is torch.bfloat16
    spoken = segments([20_000, 9_999])
    heard = overflowing.transcribe(spoken)
    assert texts(heard) == texts(plain.transcribe(spoken))
    assert all(0 <= word.confidence <= 1 for one in heard for word in one.words)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")  # what torch's compiler imports
def test_an_engine_on_a_device_with_acceleration_starts_with_it_and_says_the_same(
    folder: Path, engine: CtcEngine, opened: list[CtcEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACCELERATED", ("cpu",))
    monkeypatch.setattr(acceleration, "_compiler", lambda encoder, **_: encoder)
    monkeypatch.setattr(acceleration, "LEAST_ROWS", 256)
    opened.append(load(EngineOptions(str(folder), "cpu", batch_s=8.0)))
    network = opened[-1]._network
    assert isinstance(network, PackedNetwork)
    assert network.buckets == (256, 512)
    spoken = segments(LENGTHS)
    assert texts(opened[-1].transcribe(spoken)) == texts(engine.transcribe(spoken))


def test_a_device_short_of_memory_at_the_start_gets_smaller_batches(
    folder: Path, opened: list[CtcEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[int]()

    def small(_network: object, most: int, _try_it: object) -> str:
        tried.append(most)
        if most > 10_000:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "graphs"

    monkeypatch.setattr(module, "ACCELERATED", ("cpu",))
    monkeypatch.setattr(module, "accelerate", small)
    opened.append(load(EngineOptions(str(folder), "cpu", batch_s=800.0)))
    assert tried == [40_000, 20_000, 10_000]
    assert opened[-1]._budget.most == 10_000


class SmallDevice:
    """A network on a device that has memory for so many samples at once."""

    def __init__(self, network: Any, most: int) -> None:
        self._network = network
        self._most = most
        self.sizes = list[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def logits(self, heard: list[Any]) -> Any:
        self.sizes.append(sum(len(one) for one in heard))
        if self.sizes[-1] > self._most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._network.logits(heard)


def test_out_of_memory_halves_the_budget_and_goes_on(engine: CtcEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = segments([16_000] * 16)
    expected = texts(engine.transcribe(spoken))
    small = SmallDevice(engine._network, 400)  # mel frames: four segments of 98
    monkeypatch.setattr(engine, "_network", small)
    before = HALVINGS._value.get()
    assert texts(engine.transcribe(spoken)) == expected
    assert HALVINGS._value.get() > before
    small.sizes.clear()
    assert texts(engine.transcribe(spoken)) == expected
    assert max(small.sizes) <= 400  # it has learnt


def test_a_segment_that_alone_does_not_fit_into_memory_is_at_fault_itself(
    engine: CtcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_network", SmallDevice(engine._network, 400))
    with pytest.raises(SegmentError, match="does not fit into the device's memory"):
        engine.transcribe(segments([16_000, 160_000]))


def test_a_device_that_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(EngineError, match="cuda:77"):
        load_engine("ctc", EngineOptions(str(folder), "cuda:77"))


def test_the_checkpoints_own_module_is_left_as_it_was(folder: Path, opened: list[CtcEngine]) -> None:
    checkpoint = open_checkpoint(EngineOptions(str(folder), "cpu"))
    before = {name: weight.clone() for name, weight in checkpoint.model.named_parameters()}
    opened.append(CtcEngine(checkpoint, torch.device("cpu"), torch.bfloat16))
    opened[-1].transcribe(segments([16_000]))
    after = dict(checkpoint.model.named_parameters())
    assert all(weight.dtype is torch.float32 and torch.equal(weight, before[name]) for name, weight in after.items())

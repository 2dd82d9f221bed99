"""The levels of acceleration: the highest that works, the lower ones by name, and the same values at each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.asr.ctc import acceleration
from services.asr.ctc.acceleration import accelerate
from services.asr.ctc.checkpoint import open_checkpoint
from services.asr.ctc.conformer import Rows
from services.asr.ctc.networks import PackedNetwork
from services.asr.engine import EngineOptions
from tests.unit.asr.ctc.models import segments, w2v_bert


@pytest.fixture
def network(tmp_path: Path) -> PackedNetwork:
    checkpoint = open_checkpoint(EngineOptions(str(w2v_bert(tmp_path)), "cpu"))
    return PackedNetwork(checkpoint.model, checkpoint.stack, torch.device("cpu"), torch.float32)


def logits(network: PackedNetwork) -> torch.Tensor:
    with torch.inference_mode():
        return network.logits([network.hear(segment.samples) for segment in segments([16_000, 9_999, 33_333])])[0]


def trying(network: PackedNetwork, sizes: list[int]) -> Any:
    def try_it(rows: int) -> None:
        sizes.append(rows)
        with torch.inference_mode():
            network.logits([network.hear(np.zeros(rows * 320 - 3_200, np.float32))])

    return try_it


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")  # what torch's compiler imports
def test_the_encoder_with_the_kernel_over_a_bucket_gives_what_the_plain_one_gives(
    network: PackedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = logits(network)
    modes = list[str]()

    def without_compiling(encoder: Any, mode: str, dynamic: bool) -> Any:
        modes.append(mode)
        return encoder

    monkeypatch.setattr(acceleration, "_compiler", without_compiling)
    tried = list[int]()
    assert accelerate(network, 3_000, trying(network, tried)) == "graphs"
    assert modes == ["reduce-overhead"]
    assert tried == [2_048, 3_072] * 3  # compiled, recorded, replayed
    assert network.buckets == (2_048, 3_072)
    torch.testing.assert_close(logits(network), plain, rtol=0, atol=1e-4)


def test_what_fails_is_fallen_back_from_level_by_level(network: PackedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = logits(network)
    modes = list[str]()

    def failing(encoder: Any, mode: str, dynamic: bool) -> Any:
        modes.append(mode)
        if mode == "default":
            raise RuntimeError("no compiler here")

        def encode(*_: Any) -> Any:
            raise RuntimeError("cannot be captured")

        return encode

    monkeypatch.setattr(acceleration, "_compiler", failing)
    assert accelerate(network, 3_000, trying(network, [])) == "plain"
    assert modes == ["reduce-overhead", "default"]
    assert torch.equal(logits(network), plain)


def test_running_out_of_memory_is_no_reason_to_run_slower(network: PackedNetwork) -> None:
    def try_it(rows: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        accelerate(network, 100, try_it)


def test_buckets_double_up_to_a_full_batch_and_are_fewer_than_torch_compiles() -> None:
    assert acceleration.buckets(40_000) == (2_048, 4_096, 8_192, 16_384, 32_768, 40_064)
    assert len(acceleration.buckets(200_000)) <= 8
    assert acceleration.buckets(100) == (2_048,)  # room for a segment of 25 s


def test_a_batch_takes_the_smallest_bucket_with_rows_enough() -> None:
    assert Rows.of([200, 200], 30, [128, 256, 512]).count == 512
    assert Rows.of([160], 30, [128, 256, 512]).count == 128
    assert Rows.of([2_000], 30, [128, 256, 512]).count == 1_536
    assert Rows.of([2_000], 30).count == 1_030

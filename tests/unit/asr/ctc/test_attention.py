"""The relative positions against the reference's own computation, in blocks of rows and in the kernel."""

import pytest
import torch
from torch import Tensor

from services.asr.ctc.attention import KERNEL_ROWS, in_blocks, in_kernel, kernel_blocks, spread
from services.asr.ctc.conformer import Rows

LEFT, RIGHT, WIDTH = 64, 8, 12


def by_the_definition(scores: Tensor, row: int, keys: int) -> Tensor:
    """Pair by pair, as the reference does it: the score of the clamped distance."""
    distance = torch.arange(keys)[None, :] - (row + torch.arange(scores.shape[1]))[:, None]
    return torch.stack([scores[:, r, d.clamp(-LEFT, RIGHT) + LEFT] for r, d in enumerate(distance)], dim=1)


@pytest.mark.parametrize(
    ("row", "rows", "keys"),
    [
        (0, 1, 1),
        (0, 2, 1),
        (0, 9, 9),
        (0, 65, 64),
        (0, 128, 200),
        (128, 72, 200),
        (128, 1, 128),
        (256, 128, 300),
        (5, 3, 400),
    ],
)
def test_scores_by_distance_stand_where_their_keys_are(row: int, rows: int, keys: int) -> None:
    scores = torch.randn(2, rows, LEFT + 1 + RIGHT, generator=torch.Generator().manual_seed(rows))
    assert torch.equal(spread(scores, row, keys, LEFT, RIGHT), by_the_definition(scores, row, keys))


def projections(rows: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(4)
    query, key, value = torch.randn(3, 2, rows.count, WIDTH)
    return query, key, value, torch.randn(WIDTH, LEFT + 1 + RIGHT)


def one_by_one(rows: Rows) -> list[Tensor]:
    """Attention of each segment alone, with the whole tensor of length by length."""
    query, key, value, distances = projections(rows)
    heard = []
    for first, count, keys in zip(rows.first, rows.positions, rows.keys, strict=True):
        own, known = slice(first, first + count), slice(first, first + keys)
        scores = query[:, own] @ key[:, known].transpose(1, 2) + by_the_definition(query[:, own] @ distances, 0, keys)
        heard.append((scores.softmax(-1) @ value[:, known]).transpose(0, 1))
    return heard


LAYOUT = Rows.of([2, 3, 401, 60, 127, 128], gap=6, buckets=[KERNEL_ROWS])


def test_blocks_of_rows_attend_to_their_own_segment_only() -> None:
    heard = in_blocks(LAYOUT.first, LAYOUT.positions, LAYOUT.keys, LEFT, RIGHT)(*projections(LAYOUT))
    for first, expected in zip(LAYOUT.first, one_by_one(LAYOUT), strict=True):
        torch.testing.assert_close(heard[first : first + len(expected)], expected, rtol=0, atol=2e-6)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_kernel_attends_to_the_same_and_leaves_empty_rows_at_zero() -> None:
    blocks = kernel_blocks(LAYOUT.segments(), LAYOUT.attended(), torch.device("cpu"))
    heard = in_kernel(blocks, LEFT, RIGHT)(*projections(LAYOUT))
    for first, expected in zip(LAYOUT.first, one_by_one(LAYOUT), strict=True):
        torch.testing.assert_close(heard[first : first + len(expected)], expected, rtol=0, atol=2e-6)
    # Not a number there would reach the next layer's keys, and from them everything.
    assert heard[LAYOUT.segments() < 0].abs().max() == 0


def test_the_kernel_skips_blocks_without_a_common_segment() -> None:
    far = Rows.of([900, 900, 900], gap=6, buckets=[KERNEL_ROWS])
    blocks = kernel_blocks(far.segments(), far.attended(), torch.device("cpu"))
    assert blocks.sparsity() > 50

"""The relative positions against the reference's own computation."""

from types import SimpleNamespace

import pytest
import torch

from services.asr.attention import relative_key


def by_the_definition(module: SimpleNamespace, query: torch.Tensor, length: int) -> torch.Tensor:
    """Pair by pair, as the reference does it: the query times the vector of the clamped distance."""
    place = torch.arange(length)
    distance = (place[None, :] - place[:, None]).clamp(-64, 8) + 64
    vectors: torch.Tensor = module.distance_embedding.weight[distance]
    scores: torch.Tensor = torch.einsum("bhld,lrd->bhlr", query, vectors) * module.scaling
    return scores


@pytest.mark.parametrize("length", [1, 2, 8, 9, 10, 64, 65, 66, 200])
def test_scores_by_distance_are_the_references(length: int) -> None:
    torch.manual_seed(5)
    module = SimpleNamespace(
        left_max_position_embeddings=64,
        right_max_position_embeddings=8,
        scaling=36**-0.5,
        distance_embedding=torch.nn.Embedding(73, 36),
    )
    query = torch.randn(2, 3, length, 36)
    same, scores = relative_key(module, query, query)
    assert same is query
    torch.testing.assert_close(scores, by_the_definition(module, query, length), rtol=0, atol=2e-6)

"""The model as training runs it: transformers' own modules, called in fewer and cheaper operations.

`Trainee.forward` gives what `Wav2Vec2BertForCTC` gives (`check` says by how much they differ), and beside it the
phonemes that are heard half-way up, which training uses as a second target and the shipped model does without.
"""

from __future__ import annotations

from typing import Any

import torch
from features import STACK
from softmax import relative_softmax
from torch import Tensor, nn
from torch.nn import functional
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC

from services.asr.ctc import logmel

#: The layer after which phonemes are told apart.
PHONEME_LAYER = 3


def config(tokens: int) -> Wav2Vec2BertConfig:
    """1.9 million parameters; everything else as in the production architecture."""
    return Wav2Vec2BertConfig(
        vocab_size=tokens,
        feature_projection_input_dim=logmel.MELS * STACK.stride,
        hidden_size=144,
        num_hidden_layers=5,
        num_attention_heads=4,
        intermediate_size=384,
        conv_depthwise_kernel_size=15,
        final_dropout=0.0,
        layerdrop=0.0,
        conformer_conv_dropout=0.0,
        apply_spec_augment=False,
        mask_time_prob=0.0,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )


class Trainee(nn.Module):
    """A `Wav2Vec2BertForCTC` and a head for phonemes."""

    def __init__(self, tokens: int, phonemes: int) -> None:
        super().__init__()
        self.model = Wav2Vec2BertForCTC(config(tokens))
        self.phonemes = nn.Linear(self.model.config.hidden_size, phonemes)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of tokens and of phonemes, [batch, positions, number], of features [batch, positions, 320].

        `lengths`: positions of each segment that the mask keeps, int64 [batch].
        """
        ear: Any = self.model.wav2vec2_bert
        kept = (torch.arange(features.shape[1]) < lengths[:, None])[..., None].to(features.dtype)
        hidden = ear.feature_projection.projection(ear.feature_projection.layer_norm(features)) * kept
        sounds = hidden
        for number, layer in enumerate(ear.encoder.layers, 1):
            hidden = hidden + 0.5 * _feed_forward(layer.ffn1, layer.ffn1_layer_norm(hidden))
            hidden = hidden + _attention(layer.self_attn, layer.self_attn_layer_norm(hidden), lengths)
            hidden = hidden + _convolution(layer.conv_module, hidden, kept)
            hidden = hidden + 0.5 * _feed_forward(layer.ffn2, layer.ffn2_layer_norm(hidden))
            hidden = layer.final_layer_norm(hidden)
            if number == PHONEME_LAYER:
                sounds = hidden
        return self.model.lm_head(hidden), self.phonemes(sounds)

    @torch.no_grad()
    def check(self, features: Tensor, lengths: Tensor) -> float:
        """The largest difference from what transformers' own forward gives."""
        mask = (torch.arange(features.shape[1]) < lengths[:, None]).long()
        training = self.training
        self.eval()
        reference = self.model(input_features=features, attention_mask=mask).logits
        difference = (self(features, lengths)[0] - reference).abs() * mask[..., None]
        self.train(training)
        return float(difference.max())


def _feed_forward(module: Any, hidden: Tensor) -> Tensor:
    result: Tensor = module.output_dense(functional.silu(module.intermediate_dense(hidden)))
    return result


def _attention(module: Any, hidden: Tensor, lengths: Tensor) -> Tensor:
    parts = (module.linear_q, module.linear_k, module.linear_v)
    weight, bias = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
    batch, length, size = hidden.shape
    projected = functional.linear(hidden, weight, bias).view(batch, length, 3, module.num_heads, module.head_size)
    query, key, value = projected.permute(2, 0, 3, 1, 4)
    query = query * module.scaling
    columns = query @ module.distance_embedding.weight.T.to(query.dtype)
    left, right = module.left_max_position_embeddings, module.right_max_position_embeddings
    seen = relative_softmax(query @ key.transpose(2, 3), columns, lengths, left, right).to(value.dtype)
    mixed: Tensor = module.linear_out((seen @ value).transpose(1, 2).reshape(batch, length, size))
    return mixed


def _convolution(module: Any, hidden: Tensor, kept: Tensor) -> Tensor:
    hidden = module.layer_norm(hidden) * kept
    hidden = functional.glu(functional.linear(hidden, module.pointwise_conv1.weight[..., 0]), dim=-1)
    before = module.depthwise_conv.kernel_size[0] - 1
    hidden = module.depthwise_conv(functional.pad(hidden.transpose(1, 2), (before, 0))).transpose(1, 2)
    hidden = functional.silu(module.depthwise_layer_norm(hidden))
    return functional.linear(hidden, module.pointwise_conv2.weight[..., 0])

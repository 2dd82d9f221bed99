"""Tiny random models in the Hugging Face layout: a causal one that writes bytes, a classifier of sequences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
END, START = "<|im_end|>", "<|im_start|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """A token for each byte."""
    model = Tokenizer(BPE(vocab={letter: index for index, letter in enumerate(LETTERS)}, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=model,
        eos_token=END,
        pad_token="<pad>",  # noqa: S106 - no password
        additional_special_tokens=[START],
        model_max_length=512,
    )
    made.chat_template = template
    return made


def causal(folder: Path, *, template: str | None = TEMPLATE, writes: str = "", **config: Any) -> Path:
    """Writes a causal model.

    Args:
        folder: Where to.
        template: Its chat template.
        writes: What it says to everything, one letter after the other, and then ends; random words without.
        config: Of `LlamaConfig`, above or beside what is tiny.
    """
    torch.manual_seed(7)
    words = tokenizer(template)
    settings: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": 320 if writes else 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": None,
    }
    model = LlamaForCausalLM(LlamaConfig(**(settings | config)))
    if writes:
        _teach(model, words, writes)
    else:
        with torch.no_grad():
            for weight in model.parameters():
                if weight.ndim > 1:  # so that what is written hangs on what was read
                    weight.mul_(20)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _teach(model: LlamaForCausalLM, words: PreTrainedTokenizerFast, writes: str) -> None:
    """Makes each letter be followed by the next; letters must differ, and none stand in what comes before an answer."""
    ids = [*words.encode(writes), int(words.eos_token_id)]
    before = words.encode("\n" if words.chat_template else ":")[-1]
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.model.norm.weight.fill_(1)
        model.model.embed_tokens.weight.copy_(torch.eye(len(words), 320))
        for one, other in zip([before, *ids], ids, strict=False):
            model.lm_head.weight[other, one] = 1


def sequence(
    folder: Path, labels: Mapping[int, str], *, bias: Mapping[int, float] | None = None, **config: Any
) -> Path:
    """Writes a classifier of sequences.

    Args:
        folder: Where to.
        labels: Its labels.
        bias: How much likelier it finds some of them, in logits.
        config: Of `BertConfig`, above or beside what is tiny.
    """
    torch.manual_seed(11)
    words = tokenizer(None)
    settings: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 128,
        "id2label": dict(labels),
        "label2id": {name: place for place, name in labels.items()},
        "pad_token_id": words.pad_token_id,
    }
    model = BertForSequenceClassification(BertConfig(**(settings | config)))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(15)
        model.classifier.weight.mul_(0 if bias else 1)
        for place, logits in (bias or {}).items():
            model.classifier.bias[place] = logits
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder

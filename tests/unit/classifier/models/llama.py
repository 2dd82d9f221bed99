"""A tiny causal model as llama.cpp reads it, and llama.cpp's own server with it, in a process of its own.

Run as a script it serves: the model's file, then the key that it asks for. It prints its address, and ends with its
standard input.
"""

import sys
from pathlib import Path

#: Names of GGUF (docs/gguf.md in ggml) for those of a Llama in the Hugging Face layout.
_TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "model.layers.0.input_layernorm.weight": "blk.0.attn_norm.weight",
    "model.layers.0.post_attention_layernorm.weight": "blk.0.ffn_norm.weight",
    "model.layers.0.self_attn.q_proj.weight": "blk.0.attn_q.weight",
    "model.layers.0.self_attn.k_proj.weight": "blk.0.attn_k.weight",
    "model.layers.0.self_attn.v_proj.weight": "blk.0.attn_v.weight",
    "model.layers.0.self_attn.o_proj.weight": "blk.0.attn_output.weight",
    "model.layers.0.mlp.gate_proj.weight": "blk.0.ffn_gate.weight",
    "model.layers.0.mlp.up_proj.weight": "blk.0.ffn_up.weight",
    "model.layers.0.mlp.down_proj.weight": "blk.0.ffn_down.weight",
}
_ORDINARY, _CONTROL = 1, 3


def written(folder: Path, file: Path) -> Path:
    """Writes the file of a model that `tiny.causal` made."""
    import gguf
    from safetensors.numpy import load_file
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    added = tokenizer.get_added_vocab().values()
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    writer.add_token_types([_CONTROL if place in added else _ORDINARY for place in range(len(tokenizer))])
    writer.add_token_merges(["Ġ a"])  # it must have one; this one's token is not there
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)
    for name, values in load_file(folder / "model.safetensors").items():
        writer.add_tensor(_TENSORS[name], values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _serve(file: str, key: str) -> None:
    import xllamacpp

    options = xllamacpp.CommonParams()
    options.model.path = file
    options.api_keys = [key]
    options.n_parallel, options.cpuparams.n_threads = 2, 1
    options.use_jinja, options.warmup = True, False
    server = xllamacpp.Server(options)
    print(server.listening_address, flush=True)  # noqa: T201 - read by the test
    sys.stdin.read()


if __name__ == "__main__":
    _serve(*sys.argv[1:])

"""Writes the tiny Llama's folder: weights, tokenizer and configuration, as `transformers` and vLLM read them.

Law: what is not whole is not there: each file is written beside its place and then moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from reference_server.tiny_llama.tensors import write as write_tensors
from reference_server.tiny_llama.tokenizer import documents, tokenizer
from reference_server.tiny_llama.weights import BILLION, THETA, TINY, Size, tensors
from reference_server.tiny_llama.words import BEGIN, END, END_OF_TURN, PAD

SIZES = {"tiny": TINY, "1b": BILLION}


def write(folder: Path, size: Size = TINY, seed: int = 0) -> int:
    """Write the model's files into `folder`, made where it is missing; their size in bytes. `OSError` as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer()
    files: dict[str, Any] = {
        "config.json": _config(size, len(made.tokens)),
        # Without a temperature or the like: a server takes what stands here for its default.
        "generation_config.json": {"_from_model_config": True, **_ids()},
        **documents(size.context),
    }
    written = 0
    for name, document in files.items():
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        with _moved(folder / name) as file:
            written += file.write(text.encode())
    with _moved(folder / "model.safetensors") as file:
        write_tensors(file, tensors(size, made, seed))
        written += file.tell()
    return written


@contextmanager
def _moved(path: Path) -> Iterator[BinaryIO]:
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _ids() -> dict[str, Any]:
    ids = tokenizer().ids
    return {"bos_token_id": ids[BEGIN], "eos_token_id": [ids[END], ids[END_OF_TURN]], "pad_token_id": ids[PAD]}


def _config(size: Size, vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **_ids(),
        "vocab_size": vocabulary,
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": size.head_dim,
        "max_position_embeddings": size.context,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": THETA,
        "rope_scaling": None,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "pretraining_tp": 1,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }

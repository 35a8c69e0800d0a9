"""A Llama in plain Python, to run a checkpoint without any library: slow, and good for a few dozen tokens."""

from __future__ import annotations

import json
import math
import operator
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Vector = list[float]


def read_tensors(path: Path) -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """Shape and values of each tensor of a safetensors file in bfloat16."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "BF16"
        start, end = (8 + length + place for place in entry["data_offsets"])
        halves = struct.unpack(f"<{(end - start) // 2}H", raw[start:end])
        values = struct.unpack(f"<{len(halves)}f", struct.pack(f"<{len(halves)}I", *(half << 16 for half in halves)))
        found[name] = (tuple(entry["shape"]), list(values))
    return found


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, one, other))


def _times(matrix: list[Vector], vector: Vector) -> Vector:
    return [_dot(row, vector) for row in matrix]


class Llama:
    """The model of a folder, as `LlamaForCausalLM` computes it, but in double precision."""

    def __init__(self, folder: Path) -> None:
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self._weights: dict[str, list[Vector]] = {}
        for name, (shape, values) in read_tensors(folder / "model.safetensors").items():
            width = shape[-1]
            self._weights[name] = [values[place : place + width] for place in range(0, len(values), width)]
        self._kept: list[tuple[list[Vector], list[Vector]]] = []
        self._at = 0

    def logits(self, tokens: Sequence[int]) -> Vector:
        """The logits after a text that begins here."""
        self._kept = [([], []) for _ in range(self.config["num_hidden_layers"])]
        self._at = 0
        return self.further(tokens)

    def further(self, tokens: Sequence[int]) -> Vector:
        """The logits after more of the same text."""
        hidden: Vector = []
        for token in tokens:
            hidden = list(self._weights["model.embed_tokens.weight"][token])
            for number in range(len(self._kept)):
                hidden = self._layer(number, hidden)
            self._at += 1
        return _times(self._weights["lm_head.weight"], self._normed("model.norm", hidden))

    def _normed(self, name: str, vector: Vector) -> Vector:
        scale = 1 / math.sqrt(_dot(vector, vector) / len(vector) + self.config["rms_norm_eps"])
        return [
            value * scale * weight for value, weight in zip(vector, self._weights[f"{name}.weight"][0], strict=True)
        ]

    def _layer(self, number: int, hidden: Vector) -> Vector:
        def apply(name: str, vector: Vector) -> Vector:
            return _times(self._weights[f"model.layers.{number}.{name}.weight"], vector)

        normed = self._normed(f"model.layers.{number}.input_layernorm", hidden)
        keys, values = self._kept[number]
        keys.append(self._turned(apply("self_attn.k_proj", normed)))
        values.append(apply("self_attn.v_proj", normed))
        attended = self._attended(self._turned(apply("self_attn.q_proj", normed)), keys, values)
        hidden = list(map(operator.add, hidden, apply("self_attn.o_proj", attended)))
        normed = self._normed(f"model.layers.{number}.post_attention_layernorm", hidden)
        gate = [value / (1 + math.exp(-value)) for value in apply("mlp.gate_proj", normed)]
        inner = list(map(operator.mul, gate, apply("mlp.up_proj", normed)))
        return list(map(operator.add, hidden, apply("mlp.down_proj", inner)))

    def _turned(self, vector: Vector) -> Vector:
        width = self.config["head_dim"]
        half = width // 2
        result = list(vector)
        for start in range(0, len(vector), width):
            for pair in range(half):
                angle = self._at * self.config["rope_theta"] ** (-pair / half)
                real, imaginary = vector[start + pair], vector[start + pair + half]
                result[start + pair] = real * math.cos(angle) - imaginary * math.sin(angle)
                result[start + pair + half] = imaginary * math.cos(angle) + real * math.sin(angle)
        return result

    def _attended(self, query: Vector, keys: list[Vector], values: list[Vector]) -> Vector:
        width, heads = self.config["head_dim"], self.config["num_attention_heads"]
        group = heads // self.config["num_key_value_heads"]
        result: Vector = []
        for head in range(heads):
            own, shared = head * width, head // group * width
            scores = [_dot(query[own : own + width], key[shared : shared + width]) / math.sqrt(width) for key in keys]
            weights = [math.exp(score - max(scores)) for score in scores]
            total = sum(weights)
            result += [
                sum(weight * value[shared + place] for weight, value in zip(weights, values, strict=True)) / total
                for place in range(width)
            ]
        return result

"""The files of the tiny Llama parse, agree with one another and follow from the seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reference_server.tiny_llama.checkpoint import write
from reference_server.tiny_llama.tensors import Noise, Tensor, bfloat16
from reference_server.tiny_llama.tensors import write as write_tensors
from reference_server.tiny_llama.tokenizer import byte_letters, spelled, tokenizer
from reference_server.tiny_llama.weights import Size, tensors
from reference_server.tiny_llama.words import CLASSES, SPECIAL
from tests.reference_server.tiny_llama.forward import read_tensors

MADE = tokenizer()
# As large models have it in kind: more layers and heads than are made, wider heads, more places than words depend on.
WIDER = Size(hidden=256, layers=3, heads=8, kv_heads=4, head_dim=64, intermediate=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("llama")
    write(made)
    return made


def test_the_files_are_those_that_are_wanted(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *("special_tokens_map.json", "chat_template.jinja"),
    }
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "again")
    write(tmp_path / "other", seed=1)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    assert (folder / "model.safetensors").read_bytes() != (tmp_path / "other" / "model.safetensors").read_bytes()


def test_no_sampling_default_is_hidden_in_the_generation_config(folder: Path) -> None:
    found = json.loads((folder / "generation_config.json").read_text())
    assert not {"temperature", "top_p", "top_k", "do_sample", "repetition_penalty"} & set(found)
    assert found["eos_token_id"] == [MADE.ids["<|end_of_text|>"], MADE.ids["<|eot_id|>"]]


def test_tensors_have_the_shapes_of_the_configuration(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    hidden, queries, keys = (
        config["hidden_size"],
        config["num_attention_heads"] * config["head_dim"],
        config["num_key_value_heads"] * config["head_dim"],
    )
    shapes = {
        "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,), "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden), "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (config["intermediate_size"], hidden), "mlp.up_proj": (config["intermediate_size"], hidden),
        "mlp.down_proj": (hidden, config["intermediate_size"]),
    }  # fmt: skip
    expected = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    expected |= {"lm_head.weight": (config["vocab_size"], hidden)}
    for number in range(config["num_hidden_layers"]):
        expected |= {f"model.layers.{number}.{name}.weight": shape for name, shape in shapes.items()}
    assert {name: shape for name, (shape, _) in read_tensors(folder / "model.safetensors").items()} == expected


def test_a_wider_model_has_its_rows_and_no_layer_writes_to_the_constant_or_the_classes() -> None:
    for tensor in tensors(WIDER, MADE, 7):
        rows = list(tensor.rows)
        assert sum(map(len, rows)) == tensor.size, tensor.name
        if tensor.name.endswith(("o_proj.weight", "down_proj.weight")):
            assert not any(b"".join(rows[:66])), tensor.name
            assert any(b"".join(rows[66:])), tensor.name


def test_a_tensor_of_another_size_is_not_written(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file, pytest.raises(ValueError, match="has 2 bytes, not 4"):
        write_tensors(file, [Tensor("x", (2,), [b"\0\0"])])


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reference_server.tiny_llama.checkpoint.write_tensors", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path)
    assert not list(tmp_path.glob("model*"))


@pytest.mark.parametrize(
    ("value", "half"), [(0.0, 0), (1.0, 0x3F80), (-2.0, 0xC000), (1.00390625, 0x3F80), (1.01171875, 0x3F82)]
)
def test_bfloat16_rounds_to_even(value: float, half: int) -> None:
    assert bfloat16([value]) == half.to_bytes(2, "little")


def test_noise_has_the_deviation_that_is_asked_for() -> None:
    assert Noise(3, 8).values(8, 0.0) == [0.0] * 8
    many = Noise(3, 20_000).values(20_000, 2.0)
    assert 1.9 < (sum(value * value for value in many) / len(many)) ** 0.5 < 2.1


def test_every_byte_is_a_token_and_every_word_is_one() -> None:
    assert set(byte_letters().values()) <= set(MADE.tokens)
    assert len(set(MADE.tokens)) == len(MADE.tokens)
    for row in CLASSES.values():
        for word in row.words:
            if word not in SPECIAL:
                assert MADE.cut(word) == [spelled(word)]


def test_any_text_comes_back_from_its_tokens() -> None:
    back = {letter: byte for byte, letter in byte_letters().items()}
    for text in ("", "ships", "\x00\u05d4\u05d9\u05dd", "na\u00efve \U0001f468\u200d\U0001f469", "12345 \t\r\n"):
        assert bytes(back[letter] for token in MADE.cut(text) for letter in token).decode() == text


@pytest.mark.parametrize(("first", "then"), [("noun", "plural"), ("stem", "ending")])
def test_a_word_with_its_ending_is_cut_as_the_model_says_it(first: str, then: str) -> None:
    for word in CLASSES[first].words:
        for ending in CLASSES[then].words:
            assert MADE.cut(word + ending) == [spelled(word), spelled(ending)]


def test_the_grammar_is_closed() -> None:
    words = [word for row in CLASSES.values() for word in row.words]
    assert len(set(words)) == len(words)
    for row in CLASSES.values():
        assert set(row.after) <= set(CLASSES)
        assert all(CLASSES[name].words for name in row.after)
        assert sum(row.after.values()) > 0

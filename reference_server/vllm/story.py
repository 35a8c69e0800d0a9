"""What vLLM's log says to a person who waits: how far a start is, and what to do when it fails.

Law: a line that no rule knows changes nothing, so another version of vLLM only says less.
"""

from __future__ import annotations

import re
from pathlib import Path

_LAST_LINES = 12
_LONGEST_TAIL = 64 << 10

# In the order in which they come; the last one seen is where vLLM is.
_STAGES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), stage)
    for pattern, stage in (
        (r"version \d|non-default args", "reading the options"),
        (r"Resolved architecture", "reading the model's configuration"),
        (r"Initializing a V\d LLM engine", "starting the engine"),
        (r"Starting to load model|Loading \w+ checkpoint shards", "loading the weights"),
        (r"Dynamo bytecode|Compiling a graph|torch\.compile took", "compiling"),
        (r"Loading weights took|Model loading took", "measuring memory"),
        (r"Capturing CUDA graph", "capturing CUDA graphs"),
        (r"KV cache size|init engine", "warming up"),
        (r"Supported tasks|Starting vLLM server|Application startup", "starting to listen"),
    )
)
_PERCENT = re.compile(r"Loading \w+ checkpoint shards:\s+(\d+)%")

_MEMORY = (
    "there is too little memory: a smaller --context-length, a larger --tensor-parallel-size or a smaller model; "
    "on the CPU VLLM_CPU_KVCACHE_SPACE says how many GiB the cache has"
)
PORT_TAKEN = re.compile(r"[Aa]ddress already in use|Errno 98|EADDRINUSE")
_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), advice)
    for pattern, advice in (
        (
            r"(?i)out of ?memory|no available memory|free memory on device|KV cache is needed|cannot allocate",
            _MEMORY,
        ),
        (PORT_TAKEN.pattern, "the port is taken: another --port, or 0 for a free one"),
        (
            r"unrecognized arguments|: error: argument|invalid choice|ambiguous option",
            "this version of vLLM does not know an option: see what stands after --",
        ),
        (
            r"(?i)repository not found|is not a valid model identifier|couldn't connect to|gated repo|401 Client Error",
            "the model is not to be had from the hub: check its name, HF_TOKEN for one that is gated, and the network",
        ),
        (r"does not recognize this architecture|are not supported for now", "this vLLM cannot serve such a model"),
        (r"torchvision::nms", "uninstall torchvision, torchaudio and torchcodec from vLLM's environment"),
        (
            r"No package metadata was found for vllm",
            "vLLM's environment lacks the metadata of `vllm`: install it again",
        ),
        (r"No module named", "vLLM's environment lacks a module: install what its log names"),
        (r"EngineDeadError", "its engine has died; where memory was short, the kernel's own log says so"),
        (r"libcuda|CUDA driver|NVIDIA driver|no CUDA-capable", "the GPU's driver and this vLLM do not fit together"),
    )
)


class Follower:
    """Reads a log as it grows, and knows the stage that it has come to."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._at = 0
        self._rest = b""
        self._stage = "loading its own code"

    def stage(self) -> str:
        """What vLLM is doing now."""
        with self._log.open("rb") as opened:
            opened.seek(self._at)
            news = opened.read(1 << 20)
        self._at += len(news)
        *lines, self._rest = (self._rest + news).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._stage = _stage(line.decode("utf-8", "replace")) or self._stage
        return self._stage


def _stage(line: str) -> str | None:
    percent = _PERCENT.search(line)
    if percent:
        return f"loading the weights, {percent[1]} %"
    return next((stage for pattern, stage in reversed(_STAGES) if pattern.search(line)), None)


def tail(log: Path) -> str:
    """The end of a log, as far as it helps to see why something failed."""
    with log.open("rb") as opened:
        opened.seek(max(0, log.stat().st_size - _LONGEST_TAIL))
        return opened.read().decode("utf-8", "replace")


def last_lines(text: str) -> tuple[str, ...]:
    """The last lines that say something."""
    return tuple([line.rstrip() for line in text.splitlines() if line.strip()][-_LAST_LINES:])


def ending(status: int) -> str:
    """How a process ended; both the system's way (negative) and a shell's (128 and more) say that it was a signal."""
    number = -status if status < 0 else status - 128
    return f"signal {number}" if number > 0 else f"exit status {status}"


def advice(text: str) -> str | None:
    """What to do about the failure that the end of a log tells of; None where no rule knows it."""
    return next((advice for pattern, advice in _ADVICE if pattern.search(text)), None)

"""The command line and the environment of `vllm serve`, for the CPU and for a GPU.

Law: neither has the layer's key in it. What the user has set in the environment, or says after `--`, wins over what is
set here, except for what the layer depends on, which is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from conformance.wire.redact import SHORTEST_KEY
from reference_server.vllm.device import Device, Wanted
from reference_server.vllm.errors import SetupError
from reference_server.vllm.requests import MOST_CANDIDATES

# The middleware's own module would have to import the adapter: a name is enough here.
MIDDLEWARE = "reference_server.vllm.entry.Middleware"
# Beam search asks for twice its width. For vLLM this is a bound to refuse by, and reserves nothing.
_MOST_LOGPROBS = str(2 * MOST_CANDIDATES)
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
# What Seatrial says itself, and what would lead around the layer.
_OWNED = (
    "--middleware", "--api-key", "--host", "--port", "--uds", "--served-model-name", "--api-server-count", "-asc",
    "--model", "--config", "--headless", "--grpc", "--root-path", "--ssl-keyfile", "--ssl-certfile",
)  # fmt: skip
_ELSEWHERE = {"--max-model-len": "--context-length", "--tensor-parallel-size": "--tensor-parallel-size"}
_SHORT = {"-tp": "--tensor-parallel-size"}


@dataclass(frozen=True, kw_only=True)
class VllmOptions:
    """What to serve and how; `plain` without the layer, `extra` are words for vLLM itself.

    `port` 0 takes a free one; `log` None makes a file among the temporary ones; times are seconds. `middleware` is the
    class that puts the layer in front, by its dotted name.
    """

    model: str
    served_name: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    context_length: int | None = None
    tensor_parallel_size: int | None = None
    device: Wanted = "auto"
    executable: Path | None = None
    plain: bool = False
    middleware: str = MIDDLEWARE
    extra: tuple[str, ...] = ()
    log: Path | None = None
    start_timeout: float = 600.0
    stop_timeout: float = 8.0

    @property
    def patience(self) -> float:
        """Seconds that a stop lets vLLM take: longer by those that it was told to give the requests under way.

        Told nothing it ends its engine at once, and may then wait for ever for the answers that this engine owed.
        """
        words = [part for word in self.extra for part in _normal_words(word)]
        given = next((value for name, value in pairwise(words) if name == "--shutdown-timeout"), "0")
        return self.stop_timeout + (int(given) if given.isdecimal() else 0)

    @property
    def name(self) -> str:
        """What clients call the model."""
        return self.served_name or (self.folder.resolve().name if self.folder else self.model)

    @property
    def folder(self) -> Path | None:
        """The model's folder; None for one from a hub."""
        place = Path(self.model).expanduser()
        return place if place.is_dir() else None


def check(options: VllmOptions) -> None:
    """Refuse, before anything is started, what cannot work; `SetupError`."""
    if options.folder is not None:
        if not (options.folder / "config.json").is_file():
            raise SetupError(f"the folder {options.model} has no config.json; --model names the folder of a checkpoint")
    elif options.model.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(options.model):
        raise SetupError(f"there is no folder {options.model}; --model names a folder or a model of a hub, as ORG/NAME")
    for word in options.extra:
        if word.startswith("-"):
            _refuse_owned(word, options)


def arguments(options: VllmOptions, device: Device, port: int) -> list[str]:
    """The words after `vllm`."""
    words = ["serve", str(options.folder or options.model)]
    words += ["--served-model-name", options.name, "--host", options.host, "--port", str(port)]
    # One process serves HTTP, so that one limiter counts; the access log would grow with every request.
    words += ["--api-server-count", "1", "--disable-uvicorn-access-log"]
    if not options.plain:
        # The contract has its own defaults, and a checkpoint's must not take their place.
        words += ["--middleware", options.middleware]
        words += _unless(options, "--generation-config", "vllm") + _unless(options, "--max-logprobs", _MOST_LOGPROBS)
    if options.context_length is not None:
        words += ["--max-model-len", str(options.context_length)]
    if options.tensor_parallel_size is not None:
        words += ["--tensor-parallel-size", str(options.tensor_parallel_size)]
    if device == "cpu":
        words += _unless(options, "--dtype", "bfloat16") + _unless(options, "--enforce-eager")
    return [*words, *options.extra]


def environment(options: VllmOptions, device: Device, environ: Mapping[str, str], key: str | None) -> dict[str, str]:
    """The child's environment: the given one without any variable that has the key in it, and what vLLM needs."""
    kept = {name: value for name, value in environ.items() if key is None or not _has(value, key)}
    # vLLM's own key would be asked for beside the layer's; its front end in Rust knows no middleware.
    kept.pop("VLLM_API_KEY", None)
    forced = {"VLLM_USE_RUST_FRONTEND": "0"}
    wished = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    if options.folder is not None:
        wished |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if device == "cpu":
        wished |= {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            # Its samplers compile themselves all the same, with a C++ compiler and in the middle of a request.
            "TORCH_COMPILE_DISABLE": "1",
            # One core is left to the process that serves HTTP.
            "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) - 1)),
        }
    if options.plain and key is not None:
        # There is no other way that keeps it off the command line; only this user can read it there.
        forced["VLLM_API_KEY"] = key
    return {**wished, **kept, **forced}


def _has(value: str, key: str) -> bool:
    # A shorter one is in many a value by chance.
    return value.strip() == key or (len(key) >= SHORTEST_KEY and key in value)


def _unless(options: VllmOptions, option: str, *value: str) -> list[str]:
    """The option, unless the user has given it."""
    given = {_normal(word) for word in options.extra}
    return [] if option in given or option.replace("--", "--no-", 1) in given else [option, *value]


def _refuse_owned(word: str, options: VllmOptions) -> None:
    said = _SHORT.get(word.partition("=")[0], _normal(word))
    for owned in _OWNED:
        # vLLM takes an abbreviation for the option.
        if said == owned or (len(said) > 3 and owned.startswith(said)):
            raise SetupError(f"{word} is not for vLLM to be told: {_instead(owned)}")
    given = {"--max-model-len": options.context_length, "--tensor-parallel-size": options.tensor_parallel_size}
    for theirs, value in given.items():
        if value is not None and said == theirs:
            raise SetupError(f"{word} says the same as {_ELSEWHERE[theirs]}; give one of them")


def _instead(owned: str) -> str:
    if owned in ("--host", "--port", "--served-model-name", "--model"):
        return f"say {owned} before the --"
    if owned == "--api-key":
        return "the layer asks for the key, which --key-env names"
    return "the layer depends on it"


def _normal(word: str) -> str:
    name = word.partition("=")[0]
    return "--" + name[2:].replace("_", "-") if name.startswith("--") else name


def _normal_words(word: str) -> list[str]:
    """A word as vLLM reads it: an option's name, and its value where that is in the same word."""
    _, equals, value = word.partition("=")
    return [_normal(word), value] if equals and word.startswith("--") else [_normal(word)]


def shown(words: Sequence[str]) -> str:
    """A command as one line for a log."""
    return " ".join(word if re.fullmatch(r"[\w./:=@%+,-]+", word) else repr(word) for word in words)

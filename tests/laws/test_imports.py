"""Imports point one way, read from the source and not from what happens to be loaded."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "conformance", "reports", "loadtests", "reference_server", "seatrial")
# What each part may import of ours. `conformance.wire` lies below `reports`; the rest of `conformance` above it.
ALLOWED = {
    "schemas": {"schemas"},
    "conformance.wire": {"conformance.wire"},
    "reports": {"schemas", "conformance.wire", "reports"},
    "conformance": {"schemas", "conformance.wire", "reports", "conformance"},
    "loadtests": {"schemas", "conformance.wire", "reports", "loadtests"},
    "reference_server": {"schemas", "conformance.wire", "reference_server"},
    "seatrial": {"schemas", "conformance.wire", "conformance", "reports", "loadtests", "reference_server", "seatrial"},
}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
WIRE_ALLOWED = {"__future__"}


def layer_of(module: str) -> str:
    return "conformance.wire" if module.startswith("conformance.wire") else module.split(".", maxsplit=1)[0]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            # `from conformance import rows` imports the module conformance.rows.
            for alias in node.names:
                inner = ROOT / Path(*(node.module or "").split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield node.lineno, f"{node.module}.{alias.name}" if is_module else node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_imports_point_one_way(path: Path) -> None:
    layer = layer_of(module_of(path))
    for line, name in imports(path):
        if name.split(".")[0] in PACKAGES:
            assert layer_of(name) in ALLOWED[layer], f"{path.relative_to(ROOT)}:{line} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_only_users_imports_locust(path: Path) -> None:
    if path != ROOT / "loadtests" / "users.py":
        for line, name in imports(path):
            assert name.split(".")[0] != "locust", (
                f"{path.relative_to(ROOT)}:{line} imports locust, which patches sockets"
            )


@pytest.mark.parametrize("path", sorted((ROOT / "conformance" / "wire").glob("*.py")), ids=module_of)
def test_wire_uses_the_standard_library_only(path: Path) -> None:
    for line, name in imports(path):
        top = name.split(".")[0]
        assert top == "conformance" or top in sys.stdlib_module_names, f"{path.relative_to(ROOT)}:{line} imports {name}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/__init__.py")), ids=module_of)
def test_package_inits_are_docstrings(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    assert len(body) == 1, f"{path.relative_to(ROOT)} does more than say what it is for"
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_name_resolves_to_this_project(package: str) -> None:
    found = importlib.import_module(package).__file__
    assert found is not None
    text = Path(found).read_text()
    assert text == (ROOT / package / "__init__.py").read_text(), f"another distribution ships {package}: {found}"

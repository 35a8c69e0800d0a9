"""What a TARGET on the command line means: a URL, or a name that `seatrial.toml` gives one.

Law: a file that cannot be understood as it stands is refused; a key is never a value of a file or of the command line.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.contracts import names
from seatrial.errors import UserError
from seatrial.prices import MOST_PRICE, Prices
from seatrial.profiles import PROFILES

FILE_NAME = "seatrial.toml"

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "url": str,
    "contract": str,
    "key_env": str,
    "key_file": str,
    "ca_file": str,
    "model": str,
    "rpm": int,
    "tpm": int,
    "timeout": (int, float),
    "filter_prompts": list,
    "check_profile": str,
    "price_input_per_million": (int, float),
    "price_output_per_million": (int, float),
    "currency": str,
}
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "rpm": (0, 10**9),
    "tpm": (0, 10**12),
    "timeout": (0.1, 600),
    "price_input_per_million": (0, MOST_PRICE),
    "price_output_per_million": (0, MOST_PRICE),
}
_WORDS = {str: "text in quotes", int: "a whole number", list: "a list of texts in quotes"}
# Each is asked about three times on each route.
_MOST_PROMPTS, _LONGEST_PROMPT = 8, 4_000
# What people write where a key must not stand.
_SECRETS = frozenset({"key", "api_key", "apikey", "token", "password", "secret"})


@dataclass(frozen=True, kw_only=True)
class TargetConfig:
    """A target as the file has it, its paths made absolute; None for what it leaves open. `timeout` in seconds."""

    url: str
    name: str = ""
    contract: str | None = None
    key_env: str | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    model: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    timeout: float | None = None
    filter_prompts: tuple[str, ...] = ()
    check_profile: str | None = None
    price_input_per_million: float | None = None
    price_output_per_million: float | None = None
    currency: str | None = None

    @property
    def prices(self) -> Prices:
        """What the target's tokens cost, as far as the file says."""
        return Prices(self.price_input_per_million, self.price_output_per_million, self.currency)


def find_target(text: str, *, config: Path | None, folder: Path) -> TargetConfig:
    """The target that `text` means: a URL as it is, else the name in `config` or in the `seatrial.toml` of `folder`.

    Raises `UserError` with the file and the key for anything that does not fit.
    """
    if "://" in text:
        return TargetConfig(url=text)
    path = config or folder / FILE_NAME
    if config is None and not path.exists():
        raise UserError(
            f"{text!r} is no URL (which begins with http:// or https://), and there is no {FILE_NAME} here to name it"
        )
    targets = read_targets(path)
    if text not in targets:
        near = difflib.get_close_matches(text, targets, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(targets) or 'none'}"
        raise UserError(f"{path} has no target {text!r}; {known}")
    return targets[text]


def read_targets(path: Path) -> dict[str, TargetConfig]:
    """The targets of a file by name; `UserError` when it cannot be read or has anything that is not known."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the name") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}; correct that line") from None
    for key in document:
        if key != "targets":
            raise UserError(f"{path}, {key}: unknown key; the file has tables like [targets.prod]")
    targets = document.get("targets", {})
    if not isinstance(targets, dict):
        raise UserError(f"{path}, targets: write each target as a table, like [targets.prod]")
    return {name: _target(path, name, table) for name, table in targets.items()}


def _target(path: Path, name: str, table: Any) -> TargetConfig:
    where = f"{path}, targets.{name}"
    if not isinstance(table, dict):
        raise UserError(f"{where}: write it as a table, like [targets.{name}]")
    for key, value in table.items():
        _checked(f"{where}.{key}", key, value)
    if "url" not in table:
        raise UserError(f'{where}.url: it is missing; write url = "https://…"')
    if "://" not in table["url"]:
        raise UserError(f"{where}.url: {table['url']!r} does not begin with http:// or https://")
    if "key_env" in table and "key_file" in table:
        raise UserError(f"{where}.key_file: there is key_env as well; leave one of them")
    # A file's paths are its own, wherever the command is run.
    paths = {key: path.parent / table[key] for key in ("key_file", "ca_file") if key in table}
    prompts = {"filter_prompts": tuple(table["filter_prompts"])} if "filter_prompts" in table else {}
    return TargetConfig(name=name, **{**table, **paths, **prompts})


def check_filter_prompts(where: str, prompts: Sequence[Any]) -> None:
    """`UserError` unless these are a few texts of a sensible length."""
    if len(prompts) > _MOST_PROMPTS:
        raise UserError(f"{where}: there are {len(prompts)} prompts; give at most {_MOST_PROMPTS}")
    for text in prompts:
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"{where}: a prompt is a text that is not empty")
        if len(text) > _LONGEST_PROMPT:
            raise UserError(f"{where}: a prompt has {len(text)} characters; give at most {_LONGEST_PROMPT:,}")


def _checked(where: str, key: str, value: Any) -> None:
    if key.lower() in _SECRETS:
        raise UserError(
            f"{where}: a key does not belong in this file; name its variable (key_env) or its file (key_file)"
        )
    if key not in _KINDS:
        near = difflib.get_close_matches(key, _KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"a target has {', '.join(_KINDS)}"
        raise UserError(f"{where}: unknown key; {hint}")
    kind = _KINDS[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = _WORDS[kind] if isinstance(kind, type) else "a number"
        raise UserError(f"{where}: it is {wanted}, not {value!r}")
    if isinstance(value, list):
        check_filter_prompts(where, value)
    if isinstance(value, str) and not value.strip():
        raise UserError(f"{where}: it is empty")
    if isinstance(value, int | float):
        least, most = _BOUNDS[key]
        if not least <= value <= most:
            raise UserError(f"{where}: it is a number from {least:g} to {most:,g}, not {value!r}")
    if key == "contract" and value not in (*names(), "auto"):
        raise UserError(f"{where}: no contract is named {value!r}; choose from {', '.join(names())}, or auto")
    if key == "check_profile" and value not in PROFILES:
        raise UserError(f"{where}: no check profile is named {value!r}; choose from {', '.join(PROFILES)}")

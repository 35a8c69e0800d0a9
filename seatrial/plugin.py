"""The pytest plugin: the checks of an endpoint as test items, `pytest conformance --endpoint-url URL`.

Law: without `--endpoint-url` it changes nothing in anybody's tests; it imports only pytest and the standard library
until that option is there, and adds no option without a name of its own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from seatrial.items import Trial

_PACKAGE = "conformance"
# Common words: a project may use them for options of its own, so they are only taken when an endpoint is named.
_COMMON: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "contract",
        {"metavar": "NAME", "help": "contract to judge by, or auto (default: the target's or azure-llama)"},
    ),
    ("jobs", {"type": int, "help": "requests at a time"}),
    ("check-profile", {"metavar": "NAME", "help": "how much to ask: quick, standard (default) or thorough"}),
    ("budget-requests", {"type": int, "help": "most requests that checks send"}),
    ("budget-tokens", {"type": int, "help": "most tokens that checks may cost"}),
    ("examples", {"type": int, "help": "random requests for each property"}),
    ("schema", {"action": "append", "metavar": "[ROUTE=]FILE", "help": "JSON Schema of requests (repeatable)"}),
    ("filter-prompt", {"action": "append", "help": "prompt that the content filter must act on (repeatable)"}),
    ("config", {"metavar": "FILE", "help": "where targets have names (default: ./seatrial.toml)"}),
    ("key-env", {"metavar": "NAME", "help": "variable that has the key (default: SEATRIAL_API_KEY)"}),
    ("key-file", {"metavar": "FILE", "help": "file that has the key and nothing else"}),
    ("no-key", {"action": "store_true", "help": "send no key"}),
    ("ca-file", {"metavar": "FILE", "help": "certificate authority to trust besides the system's"}),
    ("model", {"metavar": "NAME", "help": "put `model` into every body"}),
    ("gate", {"metavar": "FILE", "help": "what counts as good enough (default: ./gate.toml, else built in)"}),
    ("rpm", {"type": int, "help": "requests per minute, 0 for no limit"}),
    ("tpm", {"type": int, "help": "tokens per minute, 0 for no limit"}),
    ("timeout", {"type": float, "help": "seconds for one request"}),
    ("seed", {"type": int, "help": "what random requests are drawn from"}),
    ("log", {"metavar": "FILE", "help": "where to record the run (default: trials/<time>-<host>.jsonl)"}),
    ("force", {"action": "store_true", "help": "overwrite the log that is there"}),
    ("no-shrink", {"action": "store_true", "help": "report a failing random request as it was drawn"}),
)
# These are pytest's own, another plugin's, or too easily so: they have the long name only.
_LONG_ONLY = frozenset({"timeout", "seed", "log", "force", "no-shrink", "config", "gate"})

TRIAL: pytest.StashKey[Trial] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--endpoint-url`, and every other option under a name that begins with `--seatrial-`."""
    group = parser.getgroup("seatrial", "seatrial: judge a Llama endpoint by its API contract")
    group.addoption("--endpoint-url", metavar="TARGET", help="URL of the endpoint, or a target of seatrial.toml")
    for name, attributes in _COMMON:
        short = "" if name in _LONG_ONLY else f"; with --endpoint-url also --{name}"
        # Nothing given is None, so that defaults are in one place and not here.
        told = {**attributes, "help": f"{attributes['help']}{short}", "default": None}
        group.addoption(f"--seatrial-{name}", dest=_dest(name), **told)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> None:
    """Add the short names when an endpoint is named; before that they belong to whoever wants them."""
    if not early_config.known_args_namespace.endpoint_url:
        return
    group = parser.getgroup("seatrial")
    for name, attributes in _COMMON:
        if name not in _LONG_ONLY:
            try:
                group.addoption(f"--{name}", dest=_dest(name), default=None, **attributes)
            except ValueError:
                # Another plugin was first; the long name is still there.
                continue


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot work together."""
    if config.getoption("endpoint_url") and _distributed(config):
        raise pytest.UsageError("--endpoint-url runs its checks in one process: use --jobs in place of -n")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Say what is missing or wrong before anything is collected: it is one line then, and not an error of each file."""
    config = session.config
    if config.getoption("endpoint_url"):
        from seatrial.items import prepare  # noqa: PLC0415 - heavy, and of no use to other tests

        prepare(config)
    elif any(_asks_for_checks(argument, config) for argument in config.args):
        raise pytest.UsageError("the checks need an endpoint: add --endpoint-url with a URL or a target's name")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the checks that a module of the installed `conformance` declares."""
    if file_path.suffix != ".py" or not parent.config.getoption("endpoint_url"):
        return None
    package = _package_folder()
    if package is None or package not in file_path.resolve().parents:
        return None
    from seatrial.items import collector  # noqa: PLC0415 - heavy, and of no use to other tests

    return collector(file_path, package, parent)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End the run and its log; a run that was not judged is no success."""
    trial = session.config.stash.get(TRIAL, None)
    if trial is not None:
        session.exitstatus = trial.close(int(exitstatus))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the run spent, where it is recorded, and why it was not judged if it was not."""
    trial = config.stash.get(TRIAL, None)
    if trial is not None:
        terminalreporter.section("seatrial")
        for line in trial.summary():
            terminalreporter.write_line(line)


def _dest(name: str) -> str:
    return f"seatrial_{name.replace('-', '_')}"


def _distributed(config: pytest.Config) -> bool:
    """Whether pytest-xdist would run the items in processes of its own."""
    return bool(config.getoption("numprocesses", None)) or hasattr(config, "workerinput")


def _package_folder() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent.resolve()


def _asks_for_checks(argument: str, config: pytest.Config) -> bool:
    """Whether an argument names the installed package, or something in it."""
    name = argument.split("::", maxsplit=1)[0]
    if config.getoption("pyargs") and name.replace("/", ".").partition(".")[0] == _PACKAGE:
        return True
    if _PACKAGE not in name:
        return False
    folder = _package_folder()
    path = (config.invocation_params.dir / name).resolve()
    return folder is not None and (path == folder or folder in path.parents)

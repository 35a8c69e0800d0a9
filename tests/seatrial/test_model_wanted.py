"""An endpoint that wants a model where nobody named one: found out, told, recorded, and sent along from then on."""

from __future__ import annotations

from pathlib import Path

from reports.model import Run
from tests.seatrial.conftest import Command
from tests.seatrial.servers import endpoint, standin, wanting_model

ONE = ("--only", "*.answers", "--log", "run.jsonl")


def test_the_model_is_found_told_recorded_and_replayed(seatrial: Command, tmp_path: Path) -> None:
    with endpoint(wanting_model(standin(), "seatrial-tiny")) as url:
        result = seatrial("check", url, *ONE)
    assert result.code == 0, result.err
    assert "seatrial: the endpoint wants a model, so 'seatrial-tiny' goes along, the only one that" in result.err
    run = Run.read(tmp_path / "run.jsonl")
    assert run.settings["model"] == "seatrial-tiny"
    asked = [one for one in run.exchanges.values() if one.sent.body and not one.scope.startswith("preflight:")]
    assert {one.sent.json["model"] for one in asked} == {"seatrial-tiny"}
    assert {one.scope for one in asked} > {"preflight-model:chat", "preflight-model:completions"}
    assert run.end is not None
    assert run.end.requests == len(run.exchanges)
    assert seatrial("replay", "run.jsonl").code == 0


def test_of_several_the_user_chooses(seatrial: Command) -> None:
    with endpoint(wanting_model(standin(), "one", "other")) as url:
        result = seatrial("check", url, *ONE)
    assert result.code == 3
    assert "wants a model and lists 2 ('one', 'other'); name one with --model" in result.line


def test_what_is_served_may_say_so_elsewhere(seatrial: Command) -> None:
    with endpoint(wanting_model(standin())) as url:
        assert "goes along, the only one that /info names" in seatrial("check", url, *ONE).err


def test_without_a_name_the_run_cannot_be_judged(seatrial: Command, tmp_path: Path) -> None:
    with endpoint(wanting_model(standin(variation="undescribed"))) as url:
        result = seatrial("check", url, *ONE)
        assert seatrial("check", url, *ONE[:2], "--log", "named.jsonl", "--model", "seatrial-tiny").code == 0
    assert result.code == 3
    assert "wants a model (status 400) and names none at /v1/models or /info; name it with --model" in result.line
    assert Run.read(tmp_path / "run.jsonl").incomplete


def test_a_load_after_the_checks_names_it_too(seatrial: Command, tmp_path: Path) -> None:
    with endpoint(wanting_model(standin(), "seatrial-tiny")) as url:
        seatrial("trial", url, *ONE, "--rate", 10, "--duration", 1, "--max-tokens", 4)
    (load,) = Run.read(tmp_path / "run.jsonl").loads
    assert set(load.counts) == {"ok"}, load.counts

"""Tokens, refusals and candidates, where the answers of a sound model would not show every case."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from reference_server.vllm.candidates import Candidate, best
from reference_server.vllm.choices import Writer
from reference_server.vllm.refusals import refusal
from reference_server.vllm.requests import Dialect, Order, read_order
from reference_server.vllm.tokens import LEAST, Token, laid_out, read_tokens, without_special_end
from schemas.contracts import get


def order(**params: Any) -> Order:
    return read_order("completions", {"prompt": "x", **params}, Dialect.of(get("azure-llama"), "m"))


@pytest.mark.parametrize("value", [-math.inf, math.nan, None, -1e300, -9999.0])
def test_a_token_without_a_chance_has_the_least_number(value: float | None) -> None:
    row = {"text_offset": [0], "tokens": ["a"], "token_logprobs": [value], "top_logprobs": [{"a": value}]}
    (token,) = read_tokens(row)
    assert (token.logprob, token.top) == (LEAST, (("a", LEAST),))


def test_no_value_is_above_zero() -> None:
    item = {"token": "a", "logprob": 1e-7, "bytes": None, "top_logprobs": [{"token": "a", "logprob": 1e-7}]}
    (token,) = read_tokens({"content": [item]})
    assert (token.logprob, token.top) == (0.0, (("a", 0.0),))


def test_of_two_tokens_that_look_alike_the_chosen_one_has_its_value() -> None:
    token = Token("", -3.0, (("", -3.0), ("", -0.5), ("b", -1.0)))
    laid = laid_out([(0, token)], order(logprobs=3))
    assert laid is not None
    assert laid["top_logprobs"] == [{"b": -1.0, "": -3.0}]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("Ahoy<|eot_id|>", "Ahoy"), ("Ahoy</s>", "Ahoy"), ("<|a|>Ahoy", "<|a|>Ahoy"), ("a <|b|", "a <|b|"), ("", "")],
)
def test_one_special_token_is_taken_from_the_end(text: str, kept: str) -> None:
    assert without_special_end(text) == kept


def test_a_hidden_token_is_not_listed_and_takes_no_place() -> None:
    tokens = [Token("a", -0.1), Token("<|eot_id|>", -0.1), Token("b", -0.1)]
    placed = Writer(order(logprobs=0, ignore_eos=True)).write("ab", tokens, "length").placed
    assert [(offset, token.text) for offset, token in placed] == [(0, "a"), (1, "b")]
    shown = Writer(order(logprobs=0, ignore_eos=True, skip_special_tokens=False))
    assert len(shown.write("a<|eot_id|>b", tokens, "length").placed) == 3


def test_text_that_was_held_back_is_shown_at_the_end() -> None:
    writer = Writer(order(stop=["bX"], stop_token_ids=[0]))
    assert [writer.write("ab", [], None).text, writer.write("", [], "length").text] == ["a", "b"]


def beam(text: str, *logprobs: float, ids: tuple[int, ...] | None = None) -> Candidate:
    pieces = [Token(letter, value) for letter, value in zip(text, logprobs, strict=True)]
    return Candidate({"text": text}, text, tuple(pieces), ids or tuple(map(ord, text)), "length")


BEAMS: dict[str, Any] = {"use_beam_search": True, "temperature": 0}


def test_the_best_has_the_highest_mean_and_not_the_highest_sum() -> None:
    short, long = beam("a", -0.5), beam("bcd", -0.3, -0.3, -0.3)
    assert best([short, long], order(best_of=2)) == [long]


def test_a_candidate_without_tokens_is_the_last() -> None:
    empty = Candidate({}, "", (), (), "stop")
    assert best([empty, beam("a", -9.0)], order(best_of=2))[0].text == "a"


def test_beams_that_part_after_their_end_are_one() -> None:
    beams = [beam("ab.x", -0.1, -0.1, -0.1, -0.1), beam("ab.y", -0.1, -0.1, -0.1, -0.2), beam("cd.z", -1, -1, -1, -1)]
    kept = best(beams, order(**BEAMS, best_of=3, n=2, stop="."))
    assert [(one.text, one.reason, len(one.tokens)) for one in kept] == [("ab", "stop", 3), ("cd", "stop", 3)]
    again = best(beams, order(**BEAMS, best_of=3, n=3, stop="."))
    assert [one.text for one in again] == ["ab", "cd", "ab"]


def test_a_beam_ends_at_a_stop_token_and_shows_it() -> None:
    (kept,) = best([beam("abc", -0.1, -0.1, -0.1)], order(**BEAMS, best_of=2, stop_token_ids=[ord("b")]))
    assert (kept.text, kept.reason) == ("ab", "stop")


def test_a_beam_ends_at_any_end_token() -> None:
    pieces = [Token("a", -0.1), Token("<|end_of_text|>", -0.1), Token("b", -0.1)]
    one = Candidate({}, "ab", tuple(pieces), (1, 2, 3), "length")
    (kept,) = best([one], order(**BEAMS, best_of=2))
    assert (kept.text, kept.reason, len(kept.tokens)) == ("a", "stop", 2)
    assert best([one], order(**BEAMS, best_of=2, ignore_eos=True)) == [one]


def test_a_beam_that_ended_by_itself_keeps_its_own_text() -> None:
    pieces = (Token("caf", -0.1), Token("", -0.1), Token("<|eot_id|>", -0.1))
    one = Candidate({}, "caf\u00e9", pieces, (1, 2, 3), "stop")
    assert best([one], order(**BEAMS, best_of=2)) == [one]


def test_a_penalty_turns_to_the_beam_that_repeats_less() -> None:
    beams = [beam("aaa", -0.1, -0.1, -0.1), beam("abc", -0.5, -0.5, -0.5)]
    assert best(beams, order(**BEAMS, best_of=2))[0].text == "aaa"
    assert best(beams, order(**BEAMS, best_of=2, presence_penalty=1.5))[0].text == "abc"


def refused(status: int, document: Any, asked: dict[str, Any]) -> tuple[int, Any]:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    code, body = refusal(status, raw, asked)
    return code, body["error"]


def test_a_list_of_validation_errors_becomes_one_sentence() -> None:
    message = (
        "2 validation errors:\n  {'type': 'bool_type', 'loc': 'body.ignore_eos', 'msg': 'Input should be a valid "
        "boolean', 'input': 'None'}\n  {'type': 'int', 'loc': 'body.seed', 'msg': \"It isn't a number\", 'input': 'x'}"
    )
    error = {"message": message, "type": "Bad Request", "param": "body.ignore_eos", "code": 400}
    status, said = refused(400, {"error": error}, {"ignore_eos": None, "seed": "x"})
    assert (status, said["param"]) == (400, "ignore_eos")
    assert said["message"] == "ignore_eos: Input should be a valid boolean; seed: It isn't a number"


@pytest.mark.parametrize(
    ("message", "named", "param"),
    [
        ("top_p must be in (0, 1], got 0.0. (parameter=top_p, value=0.0)", "top_p", "top_p"),
        ("n must be at most 16384, got 20000. To increase this limit, set X.", None, "n"),
        ("This model's maximum context length is 4096 tokens. (parameter=input_text, value=1)", "input_text", "prompt"),
        ("Something is not as it should be", "elsewhere", None),
    ],
)
def test_a_parameter_is_named_where_it_is_known(message: str, named: str | None, param: str | None) -> None:
    error = {"message": message, "type": "BadRequestError", "param": named, "code": 400}
    status, said = refused(400, {"error": error}, {"prompt": "x", "n": 1, "top_p": 0})
    assert (status, said["param"]) == (400, param)
    assert "(parameter=" not in said["message"]
    assert "Union" not in said["message"]


@pytest.mark.parametrize(
    "document",
    [{"detail": "Not Found"}, {"error": "Unauthorized"}, {"detail": [{"loc": ["body"]}]}, [], b"", b"<html>", None],
)
def test_any_other_refusal_has_the_shape_too(document: Any) -> None:
    status, said = refused(418, document, {})
    assert (status, said["status"], said["code"], said["param"]) == (400, 400, "Bad Request", None)
    assert said["message"]


@pytest.mark.parametrize(("status", "told"), [(500, 500), (502, 500), (503, 503), (504, 500)])
def test_a_failure_keeps_its_reasons_to_itself(status: int, told: int) -> None:
    code, said = refused(status, {"error": {"message": "Traceback (most recent call last) /root"}}, {"prompt": "x"})
    assert code == told
    assert "Trace" not in json.dumps(said)

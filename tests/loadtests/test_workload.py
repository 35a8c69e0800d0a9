from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.files import FilePrompt, Trace
from loadtests.lengths import lengths
from loadtests.workload import MESSAGE_TOKENS, Kind, Workload, mixed

CHAT = (Kind("chat", stream=True),)


def workload(prompt: int | str = 40, answer: int | str = 8, **rest: Any) -> Workload:
    return Workload(**{"kinds": CHAT, "prompt_lengths": lengths(prompt), "answer_lengths": lengths(answer), **rest})


_WORKLOADS = st.builds(
    workload,
    prompt=st.sampled_from([1, 40, "uniform:1-90", "lognormal:30:0.9"]),
    answer=st.sampled_from([1, 16, "uniform:1-40"]),
    prefix_share=st.sampled_from([0.0, 0.3, 0.99]),
    prefixes=st.integers(1, 3),
    turns=st.integers(1, 4),
    lanes=st.integers(1, 5),
)


@settings(deadline=None, max_examples=40)
@given(_WORKLOADS, st.integers(0, 3), st.integers(-3, 500))
def test_no_request_costs_more_than_the_plan_was_made_with(work: Workload, seed: int, number: int) -> None:
    asked = work.asked(seed, number)
    # No tokenizer makes more tokens than bytes.
    written = sum(len(text) for _, text in asked.messages) + MESSAGE_TOKENS * len(asked.messages)
    assert written <= asked.most_prompt <= work.most_prompt
    assert asked.max_tokens <= work.most_answer
    assert asked.likely_prompt >= 1
    assert asked == work.asked(seed, number)


@pytest.mark.parametrize(
    "work",
    [workload("uniform:20-200"), workload(60, "uniform:2-30", turns=3, lanes=4), workload("lognormal:50:0.6:200")],
)
def test_the_likely_cost_is_that_of_what_is_asked(work: Workload) -> None:
    found = [work.asked(1, number) for number in range(1200)]
    assert sum(one.likely_prompt for one in found) / 1200 == pytest.approx(work.likely_prompt, rel=0.05)
    assert sum(one.max_tokens for one in found) / 1200 == pytest.approx(work.likely_answer, rel=0.05)


def test_prompts_have_a_prefix_in_common_and_nothing_else() -> None:
    work = workload(100, prefix_share=0.5, prefixes=2)
    texts = [work.asked(0, number).messages[0][1] for number in range(6)]
    commons = [text.split(".\n\n")[0] for text in texts]
    assert commons[0] == commons[2] == commons[4] != commons[1]
    assert commons[1] == commons[3] == commons[5]
    assert len(commons[0].split()) == 50
    assert len({text.split(".\n\n")[1] for text in texts}) == 6
    assert workload(100, prefix_share=0.5).asked(1, 0) != workload(100, prefix_share=0.5).asked(0, 0)


def test_a_conversation_repeats_what_was_said_word_for_word_and_grows() -> None:
    work = workload("uniform:20-60", "uniform:3-9", turns=3, lanes=2, prefix_share=0.2)
    # Two conversations side by side: numbers 0, 2, 4 are the turns of one and 1, 3, 5 those of the other.
    first, second, third = (work.asked(7, number) for number in (0, 2, 4))
    assert [role for role, _ in third.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert third.messages[:3] == second.messages
    assert second.messages[:1] == first.messages
    assert work.asked(7, 6).messages != first.messages
    assert len(work.asked(7, 6).messages) == 1
    assert len({work.asked(7, number).messages[0] for number in (0, 1, 6, 7)}) == 4


def test_a_mix_is_sent_in_its_proportions_and_the_warm_up_asks_each_kind() -> None:
    kinds = mixed("chat=3, completions-whole")
    assert kinds == (Kind("chat", stream=True, weight=3.0), Kind("completions", stream=False, weight=1.0))
    work = workload(kinds=kinds)
    counts = Counter(work.asked(2, number).kind.name for number in range(2000))
    assert counts["chat"] == pytest.approx(1500, abs=80)
    assert counts["completions-whole"] == 2000 - counts["chat"]
    assert {work.asked(2, number).kind.name for number in (-1, -2)} == {"chat", "completions-whole"}


@pytest.mark.parametrize(
    "text", ["", "talk", "chat=0", "chat=-1", "chat=x", "chat=nan", "chat,chat", "chat-half", "chat="]
)
def test_what_is_no_mix_is_refused(text: str) -> None:
    if text == "chat=":
        assert mixed(text) == CHAT
        return
    with pytest.raises(ValueError, match="mix"):
        mixed(text)


def test_a_files_prompts_are_sent_in_turn_and_as_they_are() -> None:
    prompts = (FilePrompt((("user", "Hi"),), 7), FilePrompt((("system", "Be brief."), ("user", "Say hello"))))
    work = workload(answer=20, prompts=prompts)
    assert [work.asked(0, number).messages for number in range(3)] == [prompts[n % 2].messages for n in range(3)]
    assert [work.asked(0, number).max_tokens for number in range(2)] == [7, 20]
    assert work.most_answer == 20
    assert work.likely_answer == 13.5
    assert work.most_prompt == 18 + 2 * MESSAGE_TOKENS


def test_a_trace_says_how_long_each_request_is() -> None:
    work = workload(trace=Trace((0.0, 1.0), (30, 90), (4, 6)))
    assert [work.asked(0, number).max_tokens for number in range(2)] == [4, 6]
    assert [work.asked(0, number).likely_prompt for number in range(2)] == [30, 90]
    assert (work.likely_prompt, work.likely_answer, work.most_answer) == (60, 5, 6)

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from loadtests.lengths import lengths
from loadtests.prompts import most_of_words
from loadtests.streams import Reading
from loadtests.talks import Talks
from loadtests.workload import MESSAGE_TOKENS, Asked, Kind, Workload
from tests.loadtests.loopback import DONE, END, HEAD, chunk, chunked, serving, with_status
from tests.loadtests.test_campaign import campaign_on


def workload(**changes: Any) -> Workload:
    row = {"kinds": (Kind("chat", stream=True),), "turns": 3, "lanes": 2, **changes}
    return Workload(prompt_lengths=lengths(30), answer_lengths=lengths(8), **row)


def answered(text: str, outcome: str = "ok") -> Reading:
    return Reading(outcome=outcome, text=text)


def told(asked: Asked) -> list[str]:
    return [text for role, text in asked.messages if role == "assistant"]


def test_a_turn_has_what_was_answered_to_those_before_it() -> None:
    work = workload()
    talks = Talks(work)
    # Two users: the numbers of the first are 0, 2, 4 and then, of its next conversation, 6.
    for number, text in ((0, "Aye."), (1, "No."), (2, "Land ho!")):
        talks.heard(number, talks.asked(7, number), answered(text))
    third = talks.asked(7, 4)
    assert told(third) == ["Aye.", "Land ho!"]
    assert [role for role, _ in third.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert [one for one in third.messages if one[0] == "user"] == [
        one for one in work.asked(7, 4).messages if one[0] == "user"
    ]
    assert told(talks.asked(7, 3)) == ["No."]


def test_of_a_user_only_the_conversation_under_way_is_kept() -> None:
    talks = Talks(workload())
    for number in range(0, 60, 2):
        talks.heard(number, talks.asked(7, number), answered(f"answer {number}"))
        assert len(talks._said) == 1
        assert len(talks._said[0][1]) <= 3
    # 54, 56 and 58 were the last conversation that was heard, and 60 begins another one.
    assert told(talks.asked(7, 58)) == ["answer 54", "answer 56"]
    assert told(talks.asked(7, 62)) == told(workload().asked(7, 62))


def test_where_a_turn_got_no_answer_one_is_made_up() -> None:
    work = workload()
    for reading in (answered("half an ans", "cut"), answered("", "429"), answered("  \n")):
        talks = Talks(work)
        talks.heard(0, talks.asked(7, 0), reading)
        assert talks.asked(7, 2) == work.asked(7, 2)


def test_an_answer_beyond_all_bounds_costs_no_more_than_was_planned() -> None:
    work = workload()
    talks = Talks(work)
    for number in (0, 2):
        talks.heard(number, talks.asked(7, number), answered("é" * 100_000))
    asked = talks.asked(7, 4)
    written = sum(len(text.encode()) for _, text in asked.messages) + MESSAGE_TOKENS * len(asked.messages)
    assert written <= asked.most_prompt <= work.most_prompt
    assert len(told(asked)[0].encode()) in (most_of_words(8), most_of_words(8) - 1)


def test_without_later_turns_nothing_is_kept() -> None:
    talks = Talks(workload(turns=1))
    talks.heard(0, talks.asked(7, 0), answered("Aye."))
    assert (talks.keep, talks._said) == (0, {})
    assert Talks(workload()).keep == most_of_words(8)


@pytest.mark.parametrize("mix", ["chat", "chat-whole"])
def test_a_conversation_goes_on_with_what_the_endpoint_answered(mix: str) -> None:
    def script(connection: socket.socket, request: bytes) -> None:
        said = f"reply {len(server.requests)} "
        if mix == "chat-whole":
            message = {"role": "assistant", "content": said}
            body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {}}
            connection.sendall(with_status(200, body=json.dumps(body).encode()))
            return
        events = [chunk(), *(chunk(f"{word} ") for word in said.split()), chunk("", "stop"), DONE]
        connection.sendall(HEAD + b"".join(chunked(event) for event in events) + END)

    with serving(script) as server:
        campaign = campaign_on(
            server.port, concurrency=1, turns=3, requests=6, duration=20, warmup=0, mix=mix, prompt_tokens=20
        )
        campaign.run()
    assert campaign.collector.counts == {"ok": 6}
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    said = [[one["content"] for one in body["messages"] if one["role"] == "assistant"] for body in bodies]
    assert said == [[], ["reply 1 "], ["reply 1 ", "reply 2 "], [], ["reply 4 "], ["reply 4 ", "reply 5 "]]
    # The next turn has all that was sent before.
    assert bodies[2]["messages"][:3] == bodies[1]["messages"]

"""Conversations that go on with what the endpoint itself has answered, each led by one user of a closed loop.

A turn is sent when the one before it has been answered, as benchmarks of conversations define it; an open loop cannot
wait, so there the assistant's turns are made up. Law: no turn costs more than the plan's bound, and of each user one
conversation is kept at the most.
"""

from __future__ import annotations

from dataclasses import replace

from loadtests.prompts import most_of_words
from loadtests.streams import Reading
from loadtests.workload import Asked, Workload


class Talks:
    """What was answered in the conversations under way, by user."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._said: dict[int, tuple[int, dict[int, str]]] = {}

    @property
    def keep(self) -> int:
        """The most bytes of an answer that a later turn repeats; 0 where there is no later turn."""
        return most_of_words(self._workload.most_answer) if self._workload.turns > 1 else 0

    def asked(self, seed: int, number: int) -> Asked:
        """The `number`-th request: with the endpoint's answers to the turns before, made-up ones where it gave none."""
        asked = self._workload.asked(seed, number)
        if len(asked.messages) == 1:
            return asked
        conversation, _ = self._workload.place(number)
        answers = self._answers(conversation)
        messages = list(asked.messages)
        for turn, text in answers.items():
            # User and assistant take turns, and the made-up answer is as long as the real one may be.
            place = 2 * turn + 1
            if place < len(messages):
                messages[place] = ("assistant", text)
        return replace(asked, messages=tuple(messages))

    def heard(self, number: int, asked: Asked, reading: Reading) -> None:
        """Keep the answer to a request for the turns that follow."""
        conversation, turn = self._workload.place(number)
        if not self.keep or reading.outcome != "ok" or not reading.text.strip():
            return
        # No tokenizer makes more of a text than it has bytes: so the plan's bound holds.
        text = reading.text.encode()[: most_of_words(asked.max_tokens)].decode("utf-8", "ignore")
        self._answers(conversation)[turn] = text

    def _answers(self, conversation: int) -> dict[int, str]:
        """The answers of a conversation; those of its user's last one are forgotten."""
        user = conversation % self._workload.lanes
        if user not in self._said or self._said[user][0] != conversation:
            self._said[user] = conversation, {}
        return self._said[user][1]

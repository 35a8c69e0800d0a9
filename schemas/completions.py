"""The completions API: its request table, its response tables, and an example of a body."""

from __future__ import annotations

from schemas.answers import answer, finish_row, index_row, logprobs_row
from schemas.model import Object, Operation, Param
from schemas.page import COMPLETIONS, NO_DEFAULT
from schemas.rules import sampling_rules
from schemas.sampling import sampling_rows

PATH = "/v1/completions"
EXAMPLE = {"prompt": "The sea was calm", "max_tokens": 8}
KIND = "text_completion"

PROMPT = Param(
    id="completions.request.prompt",
    level="MUST",
    quote="The prompt to send to the model.",
    line=145,
    name="prompt",
    type="string",
    default=NO_DEFAULT,
    required=True,
    schema={"type": "string", "minLength": 1},
    # Others also take lists of prompts and of tokens; an empty prompt is a prompt to some.
    unjudged=({"const": ""}, {"type": "array"}),
)

REQUEST = Object(
    title="A request to the completions API",
    params=(PROMPT, *sampling_rows(COMPLETIONS)),
    rules=sampling_rules(COMPLETIONS),
)


def choice(part: str = "response") -> Object:
    """The table of a choice, in an answer or in a chunk."""
    text = Param(
        id=f"completions.{part}.choices.text",
        level="MUST",
        quote="Completion result.",
        line=192,
        name="text",
        type="string",
        required=True,
        schema={"type": "string"},
    )
    rows = (index_row(COMPLETIONS, part), text, finish_row(COMPLETIONS, part), logprobs_row(COMPLETIONS, part))
    return Object(title="A choice", params=rows)


OPERATION = Operation(
    route="completions",
    path=PATH,
    request=REQUEST,
    response=answer(COMPLETIONS, choice(), kind=KIND),
    # An empty kind is that of a chunk that carries no choice, only the verdict of a content filter on the prompt.
    chunk=answer(COMPLETIONS, choice("chunk"), kind=KIND, kinds=(KIND, ""), part="chunk"),
    example=EXAMPLE,
)

"""The chat API: its request table with the fields of a message, its response tables, and an example of a body."""

from __future__ import annotations

from schemas.answers import answer, finish_row, index_row, logprobs_row
from schemas.model import Object, Operation, Param
from schemas.page import CHAT, NO_DEFAULT
from schemas.rules import sampling_rules
from schemas.sampling import sampling_rows

PATH = "/v1/chat/completions"
EXAMPLE = {"messages": [{"role": "user", "content": "Is the sea calm today?"}], "max_tokens": 8}
KIND = "chat.completion"
CHUNK_KIND = "chat.completion.chunk"
ROLES = ("system", "user", "assistant")

_RESULT = (
    "Chat completion result in `messages` object. When streaming mode is used, `delta` key is used.",
    315,
)

MESSAGE = Object(
    title="A message",
    params=(
        Param(
            id="chat.request.messages.content",
            level="MUST",
            quote="The contents of the message. Content is required for all messages.",
            line=273,
            name="content",
            type="string",
            required=True,
            schema={"type": "string", "minLength": 1},
            # Others also take a list of typed parts.
            unjudged=({"const": ""}, {"type": "array"}),
        ),
        Param(
            id="chat.request.messages.role",
            level="MUST",
            quote="The role of the message's author. One of `system`, `user`, or `assistant`.",
            line=274,
            name="role",
            type="string",
            required=True,
            schema={"type": "string", "enum": list(ROLES)},
            unjudged=({"enum": ["tool", "developer", "function", "ipython"]},),
        ),
    ),
)

MESSAGES = Param(
    id="chat.request.messages",
    level="MUST",
    quote="The message or history of messages to use to prompt the model.",
    line=253,
    name="messages",
    type="string",
    default=NO_DEFAULT,
    required=True,
    schema={"type": "array", "minItems": 1},
    # The table's own type, and the one object of which the next sentence speaks (erratum.messages-type).
    unjudged=({"type": "string"}, {"type": "object", "required": ["role", "content"]}),
    fields=MESSAGE,
)

REQUEST = Object(
    title="A request to the chat API",
    params=(MESSAGES, *sampling_rows(CHAT)),
    rules=sampling_rules(CHAT),
)


def choice() -> Object:
    """The table of a choice of a whole answer, with its message."""
    quote, line = _RESULT
    fields = Object(
        title="The message of an answer",
        params=(
            Param(
                id="chat.response.choices.message.role",
                level="MUST",
                quote="The role of the message's author. One of `system`, `user`, or `assistant`.",
                line=274,
                name="role",
                type="string",
                required=True,
                schema={"type": "string", "const": "assistant"},
            ),
            Param(
                id="chat.response.choices.message.content",
                level="MUST",
                quote="The contents of the message. Content is required for all messages.",
                line=273,
                name="content",
                type="string",
                required=True,
                # A filtered answer has no content.
                schema={"type": ["string", "null"]},
            ),
        ),
    )
    # The table's key is `messages`; the page's example, its earlier versions and every client have `message`.
    message = Param(
        id="chat.response.choices.message",
        level="MUST",
        quote=quote,
        line=line,
        name="message",
        type="string",
        required=True,
        schema={"type": "object"},
        fields=fields,
    )
    return Object(title="A choice", params=(index_row(CHAT), message, finish_row(CHAT), logprobs_row(CHAT)))


def chunk_choice() -> Object:
    """The table of a choice of a chunk, where `delta` has the place of the message."""
    quote, line = _RESULT
    delta = Param(
        id="chat.chunk.choices.delta",
        level="MUST",
        quote=quote,
        line=line,
        name="delta",
        type="string",
        required=True,
        schema={
            "type": "object",
            "properties": {
                "role": {"enum": ["assistant", "", None]},
                "content": {"type": ["string", "null"]},
            },
        },
    )
    rows = (index_row(CHAT, "chunk"), delta, finish_row(CHAT, "chunk"), logprobs_row(CHAT, "chunk"))
    return Object(title="A choice", params=rows)


OPERATION = Operation(
    route="chat",
    path=PATH,
    request=REQUEST,
    response=answer(CHAT, choice(), kind=KIND),
    # An empty kind is that of a chunk that carries no choice, only the verdict of a content filter on the prompt.
    chunk=answer(CHAT, chunk_choice(), kind=KIND, kinds=(CHUNK_KIND, KIND, ""), part="chunk"),
    example=EXAMPLE,
)

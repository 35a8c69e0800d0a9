"""Where OpenAI's reference is silent or alone with what it says: errata of its own, and shared ones that hold here."""

from __future__ import annotations

from schemas.model import Erratum, Reading

SHARED = (
    "erratum.type-coercion",
    "erratum.null-value",
    "erratum.top_p-zero",
    "erratum.max_tokens-zero",
    "erratum.greedy-n",
    "erratum.refusal-status",
    "erratum.stream-usage",
    "erratum.done-spacing",
    "erratum.content-type",
    "erratum.role-chunk",
    "erratum.offset-origin",
    "erratum.nul-character",
    "erratum.other-methods",
    "erratum.content_filter-shape",
)

OWN = (
    Erratum(
        id="erratum.error-shape",
        place=0,
        says="The body of an error has an object `error` with type, message, param and code.",
        practice="Compatible servers have bodies of their own for what their framework refuses.",
        readings=(
            Reading(name="nested", text="The body has an object `error`, as the reference says."),
            Reading(name="detail", text="The body has `detail`."),
            Reading(name="flat", text="The body has `message` at its top."),
            Reading(name="other", text="The body is another JSON object."),
        ),
        about=("completions.error.body", "chat.error.body"),
    ),
    Erratum(
        id="erratum.request-model",
        place=0,
        says="`model` is required.",
        practice="Servers of one model answer without it; an unknown name gets 404 or is ignored.",
        readings=(
            Reading(name="ignored", text="An unknown `model` is ignored."),
            Reading(name="404", text="An unknown `model` gets 404."),
            Reading(name="refused", text="An unknown `model` is refused."),
        ),
        about=("completions.request.model", "chat.request.model"),
    ),
    Erratum(
        id="erratum.unknown-parameters",
        place=0,
        says="Nothing is said on parameters that the reference does not know.",
        practice="vLLM ignores them, other servers refuse them.",
        readings=(
            Reading(name="ignored", text="An unknown parameter changes nothing."),
            Reading(name="refused", text="An unknown parameter is refused."),
        ),
        about=("completions.head.payload", "chat.head.payload"),
    ),
)

"""The contract `azure-llama`: the source page, complete."""

from __future__ import annotations

from schemas import chat, completions, limits, service
from schemas.advice import advice_rows
from schemas.answers import answer_promises
from schemas.auth import head_rows, key_rows
from schemas.errata import PAGE
from schemas.errors import error_rows
from schemas.model import Contract, Requirement
from schemas.page import CHAT, COMPLETIONS, Place
from schemas.practice import PRACTICE
from schemas.practice_errors import PRACTICE_ERRORS
from schemas.sampling import sampling_promises
from schemas.serving import serving_rows
from schemas.stream import stream_rows

SOURCE = "How to deploy Meta Llama models with Azure AI Studio (Microsoft Learn, 2024)"


def _prose(place: Place) -> tuple[Requirement, ...]:
    return (
        *head_rows(place),
        *key_rows(place),
        *sampling_promises(place),
        *answer_promises(place),
        *stream_rows(place),
        *error_rows(place),
        *serving_rows(place),
        *advice_rows(place),
    )


CONTRACT = Contract(
    name="azure-llama",
    title="Llama as a serverless API in Azure AI Studio: the routes under /v1",
    source=SOURCE,
    operations=(completions.OPERATION, chat.OPERATION),
    prose=(*_prose(COMPLETIONS), *_prose(CHAT), *limits.ROWS, *service.ROWS),
    errata=(*PAGE, *PRACTICE, *PRACTICE_ERRORS),
    requests_per_minute=limits.REQUESTS_PER_MINUTE,
    tokens_per_minute=limits.TOKENS_PER_MINUTE,
)

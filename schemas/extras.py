"""What the Azure AI Model Inference API has beside the page: a header for extra parameters, a query, a 422's body."""

from __future__ import annotations

from schemas.derive import sentence
from schemas.model import Erratum, Reading, Requirement, Route

SERVER = "Microsoft's serving code for models, request_adapter.py (azureml-assets)"

_ERROR = (
    "The default value for `extra-parameters` is `error` which returns an error if an extra parameter is indicated in "
    "the payload."
)
_DROP = "Alternatively, you can set `extra-parameters: drop` to drop any unknown parameter in the request."
_THROUGH = (
    "By setting a header `extra-parameters: pass-through`, the API will attempt to pass any unknown parameter directly "
    "to the underlying model."
)
_VALUES = "Unexpected EXTRA_PARAMETERS option {x}, expected options are ['error', 'drop', 'pass-through']"
_UNPROCESSABLE = (
    '{"status": 422, "code": "parameter_not_supported", "detail": {"loc": [...], "input": ...}, "message": "One of the '
    'parameters contain invalid values."}'
)


def extras_rows(route: Route, source: str, request_line: str) -> tuple[Requirement, ...]:
    """The rows of one route; `request_line` is the first line of the source's example."""
    return (
        sentence(route, "head.extra_parameters.error", _ERROR, source, level="MUST"),
        sentence(route, "head.extra_parameters.drop", _DROP, source, level="MUST"),
        sentence(route, "head.extra_parameters.pass_through", _THROUGH, source, level="SHOULD"),
        sentence(route, "head.extra_parameters.values", _VALUES, SERVER, level="SHOULD"),
        sentence(route, "head.api_version", request_line, source),
        sentence(route, "error.unprocessable", _UNPROCESSABLE, source, level="SHOULD"),
    )


ERRATA = (
    Erratum(
        id="erratum.extra-parameters-ignore",
        place=0,
        says="The header has `drop` on one page of the reference, `ignore` on another.",
        practice="Servers know `drop` and refuse `ignore`.",
        readings=(
            Reading(name="refused", text="`extra-parameters: ignore` is refused."),
            Reading(name="accepted", text="`extra-parameters: ignore` is accepted."),
        ),
        about=("completions.head.extra_parameters.values", "chat.head.extra_parameters.values"),
    ),
    Erratum(
        id="erratum.unprocessable-detail",
        place=0,
        says="The `detail` of a 422 is an object with loc and value in one place, with loc and input in another, "
        "and a list in a sample.",
        practice="The vendor's server has a list `details`, its framework a list `detail`.",
        readings=(
            Reading(name="object", text="A 422 has its detail as an object."),
            Reading(name="list", text="A 422 has its details as a list."),
            Reading(name="text", text="A 422 has its detail as a text."),
            Reading(name="absent", text="A 422 has no detail."),
        ),
        about=("completions.error.unprocessable", "chat.error.unprocessable"),
    ),
    Erratum(
        id="erratum.api-version",
        place=0,
        says="Each example has `api-version` in its query; what follows without it is not said.",
        practice="Some clients leave it out, and get answers from some servers.",
        readings=(
            Reading(name="optional", text="A request without `api-version` is answered."),
            Reading(name="required", text="A request without `api-version` is refused or not found."),
        ),
        about=("completions.head.api_version", "chat.head.api_version"),
    ),
)

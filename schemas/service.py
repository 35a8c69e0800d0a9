"""What an endpoint offers of itself: an OpenAPI document, and the name of its model."""

from __future__ import annotations

from schemas.model import Requirement

INFO_SOURCE = "Azure AI Model Inference API reference: Info (Microsoft Learn, 2024)"

_OBTAINED = (
    "The Azure AI Model Inference API schema can be found in the reference for Chat Completions article and an OpenAPI "
    "specification can be obtained from the endpoint itself."
)
_LINE = 127

ROWS = (
    *(
        Requirement(id=f"service.{name}", level="SHOULD", quote=_OBTAINED, line=_LINE)
        for name in ("document", "parameters", "routes")
    ),
    Requirement(
        id="service.info",
        level="SHOULD",
        quote="Returns the information about the model deployed under the endpoint.",
        source=INFO_SOURCE,
    ),
)

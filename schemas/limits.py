"""What holds for a deployment as a whole: its quota per minute, and the content filter before and behind the model."""

from __future__ import annotations

from schemas.model import Requirement

REQUESTS_PER_MINUTE = 1_000
TOKENS_PER_MINUTE = 200_000

_QUOTA = "Each deployment has a rate limit of 200,000 tokens per minute and 1,000 API requests per minute."
_QUOTA_LINE = 430
_FILTER_LINE = 438
SPENDS_THE_QUOTA = (
    "To find a limit is to spend it. No single request shows a quota, so the load profiles measure it and "
    "no check does."
)
FILTER_SOURCE = "Content filtering for model inference in Azure AI services (Microsoft Learn)"

REFUSED_PROMPT = Requirement(
    id="content_filter.refusal",
    level="SHOULD",
    quote='"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter",'
    '"status":400}',
    source=FILTER_SOURCE,
)
ROWS = (
    Requirement(id="limits.requests", level="MUST", quote=_QUOTA, line=_QUOTA_LINE, untestable=SPENDS_THE_QUOTA),
    Requirement(id="limits.tokens", level="MUST", quote=_QUOTA, line=_QUOTA_LINE, untestable=SPENDS_THE_QUOTA),
    Requirement(
        id="content_filter.protects",
        level="MUST",
        quote="Models deployed as a serverless API with pay-as-you-go are protected by Azure AI Content Safety.",
        line=_FILTER_LINE,
    ),
    Requirement(
        id="content_filter.passes",
        level="MUST",
        quote="With Azure AI content safety enabled, both the prompt and completion pass through an ensemble of "
        "classification models aimed at detecting and preventing the output of harmful content.",
        line=_FILTER_LINE,
    ),
    Requirement(
        id="content_filter.acts",
        level="MUST",
        quote="The content filtering system detects and takes action on specific categories of potentially harmful "
        "content in both input prompts and output completions.",
        line=_FILTER_LINE,
    ),
    REFUSED_PROMPT,
    Requirement(
        id="limits.answer",
        level="SHOULD",
        quote="The response representations SHOULD include details explaining the condition, and MAY include a "
        "Retry-After header indicating how long to wait before making a new request.",
        source="RFC 6585, section 4",
    ),
    Requirement(
        id="limits.retry_after",
        level="SHOULD",
        quote="The Retry-After field value can be either an HTTP-date or a number of seconds to delay after receiving "
        "the response.",
        source="RFC 9110, section 10.2.3",
    ),
    Requirement(
        id="limits.wait_suffices",
        level="SHOULD",  # others may share the quota, so that nobody can promise it
        quote='Servers send the "Retry-After" header field to indicate how long the user agent ought to wait before '
        "making a follow-up request.",
        source="RFC 9110, section 10.2.3",
    ),
)

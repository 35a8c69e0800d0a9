"""An OpenAPI document made from the page's tables, for the tools that need one and for the server that offers one."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_ERRORS = {
    "400": "the request breaks the tables",
    "401": "the key is missing or wrong",
    "404": "no such model",
    "405": "another method",
    "413": "the body is too large",
    "415": "the body is not JSON",
    "422": "the request breaks the tables",
    "429": "over the rate limit",
}


def _nullable(schema: Json) -> Json:
    return {**schema, "nullable": True}


def _parameters() -> Json:
    """The rows that both routes share. Null is the same as absent, as clients in the field send it.

    `best_of` is left out and `use_beam_search` is false: their conditions on other parameters cannot be said here, and
    would be taken for faults of the conformant server.
    """
    words = {"type": "string", "minLength": 1}
    rows: Json = {
        "stream": {"type": "boolean", "default": False},
        "max_tokens": {"type": "integer", "minimum": 1, "default": 16},
        "top_p": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1, "default": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 1},
        "n": {"type": "integer", "minimum": 1, "maximum": 128, "default": 1},
        "stop": {"oneOf": [words, {"type": "array", "minItems": 1, "maxItems": 4, "items": words}]},
        "logprobs": {"type": "integer", "minimum": 0, "maximum": 10},
        "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
        "ignore_eos": {"type": "boolean", "default": True},
        "use_beam_search": {"type": "boolean", "enum": [False, None], "default": False},
        "stop_token_ids": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
        "skip_special_tokens": {"type": "boolean"},
    }
    return {name: _nullable(schema) for name, schema in rows.items()}


def _message() -> Json:
    return {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"type": "string", "enum": ["system", "user", "assistant"]},
            "content": {"type": "string", "minLength": 1},
        },
    }


def _request(name: str, schema: Json) -> Json:
    return {"type": "object", "required": [name], "properties": {name: schema, **_parameters()}}


def _logprobs() -> Json:
    numbers = {"type": "array", "items": {"type": "number", "maximum": 0}}
    return _nullable(
        {
            "type": "object",
            "required": ["token_logprobs", "tokens", "top_logprobs"],
            "properties": {
                "text_offsets": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "token_logprobs": numbers,
                "tokens": {"type": "array", "items": {"type": "string"}},
                "top_logprobs": {
                    "type": "array",
                    "items": {"type": "object", "additionalProperties": {"type": "number", "maximum": 0}},
                },
            },
        }
    )


def _response(kind: str, text: Json) -> Json:
    reasons = ["stop", "length", "content_filter", "content_filter_error"]
    count = {"type": "integer", "minimum": 0}
    choice = {
        "type": "object",
        "required": ["index", "finish_reason", *text],
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "finish_reason": {"type": "string", "enum": reasons},
            "logprobs": _logprobs(),
            **text,
        },
    }
    return {
        "type": "object",
        "required": ["id", "choices", "created", "object", "usage"],
        "properties": {
            "id": {"type": "string", "minLength": 1},
            "choices": {"type": "array", "minItems": 1, "items": choice},
            "created": {"type": "integer", "minimum": 1},
            "model": {"type": "string"},
            "object": {"type": "string", "enum": [kind]},
            "usage": {
                "type": "object",
                "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
                "properties": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), count),
            },
        },
    }


def _operation(request: str, response: str, example: Json) -> Json:
    answers: Json = {
        "200": {
            "description": "the completion, or a stream of it",
            "content": {
                "application/json": {"schema": {"$ref": f"#/components/schemas/{response}"}},
                "text/event-stream": {"schema": {"type": "object"}},
            },
        }
    }
    for status, meaning in _ERRORS.items():
        answers[status] = {
            "description": meaning,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    body = {"schema": {"$ref": f"#/components/schemas/{request}"}, "example": example}
    return {
        "post": {
            "operationId": request,
            "security": [{"key": []}],
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": answers,
        }
    }


def document() -> Json:
    """The whole document, OpenAPI 3.0.3."""
    text = {"text": {"type": "string"}}
    message = {
        "message": {
            "type": "object",
            "required": ["role", "content"],
            "properties": {"role": {"type": "string", "enum": ["assistant"]}, "content": {"type": "string"}},
        }
    }
    told = [{"role": "user", "content": "Translate: I love programming."}]
    return {
        "openapi": "3.0.3",
        "info": {"title": "Llama serverless API", "version": "1"},
        "paths": {
            "/v1/completions": _operation(
                "CompletionRequest",
                "CompletionResponse",
                {"prompt": "What's the distance to the moon?", "temperature": 0.8, "max_tokens": 8},
            ),
            "/v1/chat/completions": _operation(
                "ChatRequest", "ChatResponse", {"messages": told, "temperature": 0.8, "max_tokens": 8}
            ),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "CompletionRequest": _request("prompt", {"type": "string", "minLength": 1}),
                "ChatRequest": _request("messages", {"type": "array", "minItems": 1, "items": _message()}),
                "CompletionResponse": _response("text_completion", text),
                "ChatResponse": _response("chat.completion", message),
                # Flat, nested and detail are all in use: a body must have one of them.
                "Error": {
                    "type": "object",
                    "anyOf": [{"required": ["error"]}, {"required": ["message"]}, {"required": ["detail"]}],
                },
            },
        },
    }

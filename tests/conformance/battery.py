"""Schemas by hand that use every keyword of the dialect, alone and together; the laws of the strategies use them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

SCHEMAS: dict[str, Schema] = {
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "integer": {"type": "integer"},
    "integer-range": {"type": "integer", "minimum": -3, "maximum": 4},
    "integer-wide": {"type": "integer", "minimum": -(2**40), "maximum": 2**40},
    "integer-exclusive": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 5},
    "integer-from-fraction": {"type": "integer", "minimum": 0.5, "maximum": 3.5},
    "integer-one": {"type": "integer", "minimum": 7, "maximum": 7},
    "number": {"type": "number"},
    "number-range": {"type": "number", "minimum": 0, "maximum": 2},
    "number-exclusive": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "number-narrow": {"type": "number", "minimum": 0.001, "maximum": 0.002},
    "number-tiny": {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.0000001},
    "number-negative": {"type": "number", "maximum": -5},
    "number-and-integer": {"type": ["number", "integer"], "minimum": 1},
    "multiple": {"type": "integer", "multipleOf": 3, "minimum": 1, "maximum": 100},
    "multiple-fraction": {"type": "number", "multipleOf": 0.1, "minimum": 0, "maximum": 1},
    "multiple-quarter": {"type": "number", "multipleOf": 0.25},
    "multiple-both": {"allOf": [{"type": "integer", "multipleOf": 4}, {"multipleOf": 6}], "minimum": 1},
    "bounds-without-type": {"minimum": 2, "maximum": 3},
    "string": {"type": "string"},
    "string-length": {"type": "string", "minLength": 2, "maxLength": 5},
    "string-empty": {"type": "string", "maxLength": 0},
    "string-long": {"type": "string", "minLength": 200, "maxLength": 300},
    "pattern-whole": {"type": "string", "pattern": "^[a-z]{3}-[0-9]+$"},
    "pattern-search": {"type": "string", "pattern": "sea"},
    "pattern-length": {"type": "string", "pattern": "^a+$", "minLength": 3, "maxLength": 6},
    "pattern-lookahead": {"type": "string", "pattern": "^a(?=b)"},
    "pattern-two": {"allOf": [{"type": "string", "pattern": "^a"}, {"pattern": "^[ab]+$"}]},
    "enum": {"enum": ["red", "green", 3, None, True, [1], {"a": 1}]},
    "enum-typed": {"type": "string", "enum": ["low", "high"]},
    "enum-numbers": {"type": "integer", "enum": [1, 2, 4.0]},
    "const": {"const": "always"},
    "const-object": {"const": {"type": "json"}},
    "const-true": {"const": True},
    "nullable": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
    "union-types": {
        "type": ["array", "string", "null"],
        "minLength": 1,
        "minItems": 1,
        "maxItems": 4,
        "items": {"type": "string"},
    },
    "array": {"type": "array"},
    "array-items": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 4},
    "array-unique": {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 2},
    "array-unique-objects": {
        "type": "array",
        "items": {"type": "object", "properties": {"a": {"type": "boolean"}}},
        "uniqueItems": True,
    },
    "array-empty": {"type": "array", "maxItems": 0},
    "array-of-arrays": {"type": "array", "items": {"type": "array", "items": {"type": "boolean"}, "minItems": 1}},
    "array-many": {"type": "array", "items": {"type": "integer"}, "minItems": 10, "maxItems": 12},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 2},
    "tuple-open": {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "boolean"}, "minItems": 1},
    "tuple-short": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    "object": {"type": "object"},
    "object-properties": {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"type": "string"}, "c": {"type": "boolean"}},
        "required": ["a"],
        "additionalProperties": False,
    },
    "object-required-only": {"type": "object", "required": ["x", "y"]},
    "object-map": {"type": "object", "additionalProperties": {"type": "number"}},
    "object-map-few": {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "minProperties": 1,
        "maxProperties": 2,
    },
    "object-patterns": {
        "type": "object",
        "patternProperties": {"^x_[a-z]+$": {"type": "integer"}},
        "additionalProperties": False,
    },
    "object-count": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}},
        "minProperties": 1,
        "maxProperties": 2,
        "additionalProperties": False,
    },
    "object-forbidden": {"type": "object", "properties": {"a": {"type": "integer"}, "b": False}},
    "object-anything": {"type": "object", "properties": {"a": True, "b": {}}, "required": ["a"]},
    "any-of": {
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    },
    "any-of-required": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    "one-of": {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}], "minimum": 1},
    "one-of-tagged": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "text"}, "text": {"type": "string"}},
                "required": ["kind", "text"],
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "number"}, "n": {"type": "integer"}},
                "required": ["kind", "n"],
            },
        ]
    },
    "all-of": {"allOf": [{"type": "integer", "minimum": 2}, {"maximum": 5}]},
    "all-of-objects": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "required": ["a"]},
            {"properties": {"a": {"maximum": 3}, "b": {"type": "boolean"}}, "required": ["b"]},
        ]
    },
    "not": {"type": "integer", "minimum": 0, "maximum": 5, "not": {"enum": [2, 3]}},
    "not-type": {"not": {"type": "string"}},
    "not-required": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "not": {"required": ["a", "b"]},
    },
    "if-then-else": {
        "type": ["string", "integer"],
        "if": {"type": "string"},
        "then": {"minLength": 2},
        "else": {"minimum": 10},
    },
    "if-property": {
        "type": "object",
        "properties": {"mode": {"enum": ["on", "off"]}, "level": {"type": "integer", "minimum": 0, "maximum": 10}},
        "required": ["mode"],
        "if": {"properties": {"mode": {"const": "on"}}},
        "then": {"required": ["level"], "properties": {"level": {"minimum": 5}}},
        "else": {"properties": {"level": False}},
    },
    "rules": {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1},
            "best_of": {"type": "integer", "minimum": 1, "x-companions": {"n": 1}},
            "beam": {"type": "boolean", "x-companions": {"best_of": 2, "temperature": 0}},
            "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        },
        "allOf": [
            {
                "if": {"properties": {"beam": {"const": True}}, "required": ["beam"]},
                "then": {
                    "properties": {"best_of": {"minimum": 2}, "temperature": {"maximum": 0}},
                    "required": ["best_of", "temperature"],
                },
            },
            {
                "if": {"required": ["n", "best_of"]},
                "then": {
                    "anyOf": [
                        {"properties": {"n": {"maximum": 1}, "best_of": {"minimum": 2}}},
                        {"properties": {"n": {"maximum": 2}, "best_of": {"minimum": 3}}},
                    ]
                },
            },
        ],
    },
    "companions-without-rules": {
        "type": "object",
        "properties": {"a": {"type": "integer", "x-companions": {"b": "needed"}}, "b": {"type": "string"}},
    },
    "dependent-required": {
        "type": "object",
        "properties": {"card": {"type": "string"}, "address": {"type": "string"}},
        "dependentRequired": {"card": ["address"]},
    },
    "dependent-schemas": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "dependentSchemas": {"a": {"properties": {"b": {"minimum": 10}}, "required": ["b"]}},
    },
    "reference": {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/positive"}, "b": {"$ref": "#/$defs/positive", "maximum": 5}},
        "required": ["a"],
        "$defs": {"positive": {"type": "integer", "exclusiveMinimum": 0}},
    },
    "recursive": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value"],
                "additionalProperties": False,
            }
        },
    },
    "recursive-root": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]},
    "recursive-mutual": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}},
            "b": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]},
        },
    },
    "annotations": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:a-schema",
        "$comment": "said aside",
        "title": "A number",
        "description": "With all that may be said about it",
        "default": 3,
        "examples": [4],
        "deprecated": False,
        "readOnly": False,
        "writeOnly": False,
        "x-whatever": {"minimum": 100},
        "type": "integer",
        "minimum": 3,
    },
}

# Schemas that a user may bring for the chat route, as other people write them.
CHAT: Schema = {
    "$id": "urn:my-chat",
    "title": "My chat request",
    "type": "object",
    "properties": {
        "model": {"type": "string", "enum": ["small", "large"], "description": "Which model answers."},
        "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/message"}},
        "temperature": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]},
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 4096},
        "stream": {"type": "boolean"},
        "tools": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z_]+$", "maxLength": 16},
                    "strict": {"type": "boolean"},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
            "maxItems": 2,
        },
        "tool_choice": {"enum": ["auto", "none"]},
    },
    "required": ["model", "messages"],
    "additionalProperties": False,
    "allOf": [
        {"if": {"required": ["tool_choice"]}, "then": {"required": ["tools"]}, "description": "A choice needs tools."}
    ],
    "$defs": {
        "message": {
            "type": "object",
            "properties": {"role": {"enum": ["user", "assistant"]}, "content": {"type": "string", "minLength": 1}},
            "required": ["role", "content"],
        }
    },
}

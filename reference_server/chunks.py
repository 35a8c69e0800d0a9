"""Changes of a stream's chunks that leave the contract kept: where the role, the usage and the finish reason stand."""

from __future__ import annotations

from typing import Any

Json = Any


def usage_apart(chunks: list[Json]) -> list[Json]:
    """The usage in a chunk of its own, without choices."""
    if not chunks or "usage" not in chunks[-1]:
        return chunks
    used = chunks[-1].pop("usage")
    return [*chunks, {**chunks[-1], "choices": [], "usage": used}]


def usage_null(chunks: list[Json]) -> list[Json]:
    """A usage in every chunk, null but in the last."""
    return [{**chunk, "usage": chunk.get("usage")} for chunk in chunks]


def without_usage(chunks: list[Json]) -> list[Json]:
    """No usage at all."""
    return [{key: value for key, value in chunk.items() if key != "usage"} for chunk in chunks]


def without_role_chunk(chunks: list[Json]) -> list[Json]:
    """No chunk that brings nothing but the role."""
    return [chunk for chunk in chunks if not any("role" in choice.get("delta", {}) for choice in chunk["choices"])]


def role_everywhere(choice: dict[str, Json]) -> None:
    """The role in every delta."""
    if "delta" in choice:
        choice["delta"]["role"] = "assistant"


def role_only(choice: dict[str, Json]) -> None:
    """No content beside the role."""
    if "role" in choice.get("delta", {}):
        choice["delta"].pop("content", None)


def filter_chunk(chunks: list[Json]) -> list[Json]:
    """A first chunk about the prompt, without choices."""
    if not chunks:
        return chunks
    first = {key: value for key, value in chunks[0].items() if key != "usage"}
    results = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]
    return [{**first, "choices": [], "prompt_filter_results": results}, *chunks]


def said(choice: dict[str, Json]) -> str:
    """The text of a choice."""
    return str(choice["delta"].get("content") or "") if "delta" in choice else str(choice["text"])


def say(choice: dict[str, Json], text: str) -> None:
    """Set the text of a choice."""
    if "delta" in choice:
        choice["delta"]["content"] = text
    else:
        choice["text"] = text


def finish_with_text(chunks: list[Json]) -> list[Json]:
    """The finish reason (and the usage) on the chunk with the last text instead of an empty one."""
    kept: list[Json] = []
    for chunk in chunks:
        if not chunk["choices"]:
            kept.append(chunk)
            continue
        choice = chunk["choices"][0]
        before = next((one for one in reversed(kept) if one["choices"][0]["index"] == choice["index"]), None)
        if choice["finish_reason"] is None or said(choice) or before is None or not said(before["choices"][0]):
            kept.append(chunk)
            continue
        before["choices"][0]["finish_reason"] = choice["finish_reason"]
        if "usage" in chunk:
            # The usage stays on the last event, whichever choice that belongs to.
            kept[-1]["usage"] = chunk["usage"]
    return kept


def merged(chunks: list[Json]) -> list[Json]:
    """Three tokens to an event, as a server sends them whose client reads slowly."""
    kept: list[Json] = []
    merged = 1
    for chunk in chunks:
        choice = next(iter(chunk["choices"]), None)
        before = kept[-1]["choices"][0] if kept else None
        plain = all(one and said(one) and one["logprobs"] is None for one in (choice, before))
        if plain and choice and before and before["index"] == choice["index"] and merged < 3:
            say(before, said(before) + said(choice))
            merged += 1
        else:
            kept.append(chunk)
            merged = 1
    return kept


def role_with_text(chunks: list[Json]) -> list[Json]:
    """The role on the first text of each choice instead of before it."""
    kept = without_role_chunk(chunks)
    begun: set[int] = set()
    for chunk in kept:
        for choice in chunk["choices"]:
            if "delta" in choice and choice["index"] not in begun:
                begun.add(choice["index"])
                choice["delta"] = {"role": "assistant", **choice["delta"]}
    return kept

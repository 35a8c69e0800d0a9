r"""Makes text that an endpoint chose harmless to look at, in every format alike.

Law: what comes out has no character that a terminal obeys, that an XML parser refuses, or that makes text appear in
another order than it stands in; each of them is shown as an escape such as `\x1b`. Letters of every script stay as they
are.
"""

from __future__ import annotations

import re
import unicodedata

# Cc: controls; Cf: formats, the bidirectional ones and zero-width joiners among them; Cs: lone surrogates;
# Cn covers the noncharacters; Zl and Zp end lines for some readers and not for others.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
# Everything else is printable ASCII, and most text is nothing but that.
_SUSPECT = re.compile(r"[^\x20-\x7e\n\t]")


def visible(text: str) -> str:
    """The text with hidden characters as escapes; line feeds and tabs stay."""
    return _SUSPECT.sub(lambda match: _shown(match[0]), text)


def one_line(text: str, most: int = 400) -> str:
    """The text, visible, in one line of at most `most` characters."""
    return shortened(" ".join(visible(text).split()), most)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning with an ellipsis, in at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def excerpt(text: str, most: int = 1600) -> str:
    """The text in about `most` characters: beginning and end, with how much was left out between them."""
    if len(text) <= most:
        return text
    tail = most // 3
    head = most - tail
    return f"{text[:head]}\n… {len(text) - most:,} characters left out …\n{text[-tail:]}"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if character == "\r":
        return "\\r"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

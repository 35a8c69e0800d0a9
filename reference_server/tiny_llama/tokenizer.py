"""The tiny Llama's tokenizer: byte-level BPE cut as Llama 3 cuts, with merges learnt from its own few hundred words.

Law: all 256 bytes are tokens, so any text comes back from its ids; each word of the grammar is one token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from reference_server.tiny_llama.words import BEGIN, CLASSES, END_OF_TURN, PAD, SPECIAL

# Llama 3's own pattern.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
_OTHERS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERN = f"{_WORDS}|{_OTHERS}"
# Llama 3's own template: a turn's text is trimmed, the first turn begins with the text's beginning.
CHAT_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# A prompt has them in every turn, and the model never says them.
_ROLES = ("system", "user", "assistant", "tool")
# Llama 3 has 251 of them; here they only round the vocabulary.
_RESERVED = "<|reserved_special_token_{}|>"
_ROUND = 64

Pair = tuple[str, str]


@cache
def byte_letters() -> Mapping[int, str]:
    """The printable letter that stands for each byte in a byte-level vocabulary, as in GPT-2 and Llama 3."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def spelled(text: str) -> str:
    """A text in the letters of the vocabulary, one for each of its bytes."""
    letters = byte_letters()
    return "".join(letters[byte] for byte in text.encode())


def learn(words: Iterable[str]) -> list[Pair]:
    """The merges that make one token of each word, the most frequent pair first, ties in the order of the letters."""
    cut = [list(word) for word in words]
    merges: list[Pair] = []
    counts = Counter(pair for word in cut for pair in pairwise(word))
    while counts:
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for word in cut:
            if best[0] in word and best in pairwise(word):
                counts.subtract(pairwise(word))
                word[:] = merged(word, best)
                counts.update(pairwise(word))
        counts = +counts
    return merges


def merged(word: Sequence[str], pair: Pair) -> list[str]:
    """The word with each occurrence of the pair made one, from the left."""
    result: list[str] = []
    place = 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            result.append(word[place] + word[place + 1])
            place += 2
        else:
            result.append(word[place])
            place += 1
    return result


@dataclass(frozen=True)
class Tokenizer:
    """The vocabulary (`tokens[id]`, in byte letters, special ones last) and its merges."""

    tokens: tuple[str, ...]
    merges: tuple[Pair, ...]
    special: tuple[str, ...]

    @property
    def ids(self) -> Mapping[str, int]:
        """Ids by token."""
        return {token: number for number, token in enumerate(self.tokens)}

    def id_of(self, word: str) -> int:
        """The id of a special token or of a word that is one token; `ValueError` when it is none."""
        return self.tokens.index(word if word in self.special else spelled(word))

    def cut(self, part: str) -> list[str]:
        """The tokens, in byte letters, of a text that the pattern takes as one piece."""
        word = list(spelled(part))
        ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        while len(word) > 1:
            pairs = list(pairwise(word))
            best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
            if best not in ranks:
                break
            word = merged(word, best)
        return word


@cache
def tokenizer() -> Tokenizer:
    """The only one there is; it is the same for each seed and size."""
    words = [spelled(word) for row in CLASSES.values() for word in row.words if word not in SPECIAL]
    merges = learn([*words, *_ROLES])
    # In this order, as the trained ones have it: bytes by their letters, then what merges make.
    plain = [*byte_letters().values(), *dict.fromkeys(one + other for one, other in merges)]
    total = -(-(len(plain) + len(SPECIAL)) // _ROUND) * _ROUND
    reserved = [_RESERVED.format(number) for number in range(total - len(plain) - len(SPECIAL))]
    special = (*SPECIAL, *reserved)
    return Tokenizer((*plain, *special), tuple(merges), special)


def documents(context: int) -> Mapping[str, Any]:
    """The tokenizer's files by name: JSON documents, and the template as text."""
    made = tokenizer()
    ids = made.ids
    added = [
        {"id": ids[name], "content": name, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for name in made.special
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    begin = {"SpecialToken": {"id": BEGIN, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": number}} for number, name in enumerate("AB"))
    template = {
        "type": "TemplateProcessing",
        "single": [begin, first],
        "pair": [begin, first, {"SpecialToken": {"id": BEGIN, "type_id": 1}}, second],
        "special_tokens": {BEGIN: {"id": BEGIN, "ids": [ids[BEGIN]], "tokens": [BEGIN]}},
    }
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
        "vocab": {token: number for token, number in ids.items() if token not in made.special},
        "merges": [f"{one} {other}" for one, other in made.merges],
    }  # fmt: skip
    named = {"bos_token": BEGIN, "eos_token": END_OF_TURN, "pad_token": PAD}
    return {
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
            "post_processor": template, "decoder": byte_level | {"add_prefix_space": True, "use_regex": True},
            "model": model,
        },
        "tokenizer_config.json": {
            **named, "chat_template": CHAT_TEMPLATE, "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"], "model_max_length": context,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        "special_tokens_map.json": named,
        "chat_template.jinja": CHAT_TEMPLATE,
    }  # fmt: skip

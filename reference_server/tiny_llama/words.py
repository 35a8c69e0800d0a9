"""What the tiny Llama can say, by class of word, and which class follows which.

Law: every word is whole UTF-8; a class that nothing follows is never generated, so the grammar lists every way on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BEGIN = "<|begin_of_text|>"
END = "<|end_of_text|>"
END_OF_TURN = "<|eot_id|>"
START_HEADER, END_HEADER = "<|start_header_id|>", "<|end_header_id|>"
PAD = "<|finetune_right_pad_id|>"
SPECIAL = (BEGIN, END, START_HEADER, END_HEADER, END_OF_TURN, PAD)

_NOUNS = """anchor barge beacon bell boat book bridge builder cable cabin canal captain card chain chart cloud clock
coast compass cook corner course crew current deck diver dock door drum engine engineer farmer field flag fleet
fog gull harbour hill horn hour island journal kettle keeper lamp lantern letter light line log map market mast meadow
mill morning motor mountain night number oar officer painter path pier pilot point port queen question rail raft
river road rock room sail sailor school seal shadow ship signal song sound star station storm stone story
teacher tide tower town trader trail train valley village voyage wall watch wave week wheel whistle window winter
word yard year"""
_ADJECTIVES = """blue bold brave bright brown busy calm clean cold crowded dark deep distant dry early empty faint
famous fast final fine first full gentle good grand great green grey happy hard heavy hidden hollow
honest huge iron large last late little lonely long loud narrow new noisy old open pale patient
plain proud quick quiet ready red rough round sad salty second sharp short silent silver simple slow
small soft steady strange strong sunny tall third tired warm weak wet white wide wild wooden young"""
_VERBS = """became began bought broke brought built carried chose crossed drew felt followed forgot found gave grew
heard held hid kept knew lost made met needed paid passed reached read said saw sent showed sold stood taught told took
understood was wanted watched went won wrote"""
# These take an ending of their own token, so that words of several tokens are met.
_STEMS = (
    "call count depart drift enter finish float learn listen mark measur paint press return roll "
    "rush sign start talk test turn wait walk wander wonder"
)
_ADVERBS = """again alone already also always away badly below calmly easily gladly here later loudly never now often
once only quickly quietly rarely slowly sometimes soon still there today together twice well yesterday"""
_PREPOSITIONS = """about above across after against along among at before behind beside between beyond by for from in
inside into near of off on over past through to toward under until with without"""
_DETERMINERS = "a an another any each every her his its my no one our some that the their this your"
_NAMES = (
    "Anna Ben Clara Dover Emil Hugo Ida Lena Nora Oslo Otto Rosa Tom Zo\u00eb Jos\u00e9 Ren\u00e9 \u00c5se S\u00f8ren "
    "M\u00e1laga Caf\u00e9 Gda\u0144sk T\u00fcbingen \u041c\u043e\u0440\u0435 \u0412\u043e\u043b\u043d\u0430 "
    "\u039b\u03b9\u03bc\u03ac\u03bd\u03b9 \u05d9\u05dd \u05e0\u05de\u05dc \u0628\u062d\u0631 \u6e2f \u6d77 "
    "\u30d5\u30cd \u6d77\u6e2f \ubc14\ub2e4"
)


def _bare(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _spaced(words: str) -> tuple[str, ...]:
    return tuple(f" {word}" for word in words.split())


@dataclass(frozen=True)
class WordClass:
    """Words that stand in the same place of a sentence.

    `taste` is how much the model prefers one of them to another (1 is as much as among nouns), `after` how likely
    which class comes next. A class without words only says what follows tokens that are never generated. `weary` is
    how much less likely a word is for having been said, where that is not as `taste` has it.
    """

    words: tuple[str, ...]
    after: Mapping[str, float] = field(default_factory=dict)
    taste: float = 1.0
    weary: float | None = None


_SENTENCE = {"determiner": 0.5, "noun's name": 0.2, "adjective": 0.1, "numeral": 0.1, "adverb": 0.1}
_SAID = {"stop": 1.0, "comma": 0.12, "conjunction": 0.15, "preposition": 0.3, "adverb": 0.1, "dash": 0.05}
_NOUN = {
    "verb": 0.28,
    "stem": 0.12,
    "preposition": 0.2,
    "stop": 1.0,
    "comma": 0.09,
    "conjunction": 0.07,
    "adverb": 0.04,
}
_OBJECT = {"determiner": 0.55, "noun's name": 0.12, "adjective": 0.13, "numeral": 0.1}
_FIRST = {"first determiner": 0.6, "first adverb": 0.25, "noun's name": 0.15}
_OPENING = {"opening determiner": 0.6, "opening adverb": 0.25, "opening name": 0.15}

CLASSES: Mapping[str, WordClass] = {
    # Nothing stands before the first word of a text or a line, a space before all others.
    "opening": WordClass(("\n", "\n\n"), _OPENING, 0.5),
    "end": WordClass((END_OF_TURN, END), _OPENING, 0.25, weary=0.5),
    "opening determiner": WordClass(_bare(_DETERMINERS.title()), {"noun": 0.6, "plain noun": 0.1, "adjective": 0.3}),
    "opening adverb": WordClass(_bare(_ADVERBS.title()), {"comma": 0.3, **_SENTENCE}),
    "opening name": WordClass(_bare(_NAMES), {"verb": 0.6, "stem": 0.2, "comma": 0.1, "conjunction": 0.1}),
    "first determiner": WordClass(_spaced(_DETERMINERS.title()), {"noun": 0.6, "plain noun": 0.1, "adjective": 0.3}),
    "first adverb": WordClass(_spaced(_ADVERBS.title()), {"comma": 0.3, **_SENTENCE}),
    "determiner": WordClass(_spaced(_DETERMINERS), {"noun": 0.6, "plain noun": 0.1, "adjective": 0.3}),
    "numeral": WordClass(
        _spaced("two three four five six seven eight nine ten eleven twelve twenty forty hundred"),
        {"noun": 0.7, "adjective": 0.3},
    ),
    "adjective": WordClass(_spaced(_ADJECTIVES), {"noun": 0.8, "plain noun": 0.12, "comma": 0.08}),
    "noun": WordClass(_spaced(_NOUNS), {**_NOUN, "plural": 0.12, "possessive": 0.05}),
    "plain noun": WordClass(
        _spaced("sea water weather wind rain ice snow smoke bread coffee tea salt silence work fish money"),
        _NOUN,
    ),
    "noun's name": WordClass(_spaced(_NAMES), {**_NOUN, "possessive": 0.1}),
    "plural": WordClass(("s",), _NOUN, 0.5, weary=0.2),
    "possessive": WordClass(("'s",), {"noun": 0.7, "adjective": 0.3}, 0.5),
    "verb": WordClass(_spaced(_VERBS), {**_OBJECT, "preposition": 0.2, "stop": 0.1}),
    "stem": WordClass(_spaced(_STEMS), {"ending": 1.0}),
    "ending": WordClass(("ed", "ing"), {**_SAID, **{name: 0.5 * value for name, value in _OBJECT.items()}}, 0.7),
    "adverb": WordClass(_spaced(_ADVERBS), {**_SAID, "verb": 0.15}),
    "preposition": WordClass(_spaced(_PREPOSITIONS), {**_OBJECT, "plain noun": 0.1, "space": 0.04}),
    "conjunction": WordClass(_spaced("and but or so then when while because though if"), _SENTENCE),
    "comma": WordClass((",", ";", ":"), {**_SENTENCE, "conjunction": 0.25, "preposition": 0.1}, 0.7, weary=0.3),
    "dash": WordClass((" \u2013", " \u2014"), _SENTENCE, 0.5),
    "space": WordClass((" ",), {"figure": 1.0}, 0.5),
    "figure": WordClass(
        ("3", "5", "7", "8", "12", "16", "24", "40", "64", "90", "100", "128", "365", "500"),
        {"noun": 0.4, "stop": 0.8, "comma": 0.2, "conjunction": 0.15},
    ),
    "stop": WordClass((".", "!", "?"), {**_FIRST, "end": 1.6, "opening": 0.06, "emoji": 0.03}, 0.7, weary=0.15),
    "emoji": WordClass(
        (" \u26f5", " \U0001f6a2", " \U0001f30a", " \u2693", " \U0001f433"), {**_FIRST, "end": 0.8, "opening": 0.1}, 0.7
    ),
    "unknown": WordClass((), {**_NOUN, "determiner": 0.2}),
}

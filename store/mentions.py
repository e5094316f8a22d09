"""Who is mentioned in a text, as "@username" (pure)."""

from __future__ import annotations

import re
import unicodedata

from store.rules import USERNAME

MOST = 20  # people that a text mentions; further names are plain text

_ADDRESS = re.compile(r"\S+://\S*")
# Keyboards for Japanese and Chinese make a wide at sign (U+FF20).
_MENTION = re.compile(r"[@\uff20]([A-Za-z0-9](?:[._]?[A-Za-z0-9])*)")


def mentioned(text: str) -> list[str]:
    """The usernames that a text mentions, each once, in lower case, in the order of the text; at
    most `MOST`. They are well formed; whether anybody has them is not known here.

    A mention stands apart from words: "ann@example.org", "@ann@example.org" and "@annä" have
    none. Scripts that are written without spaces may touch it: "你好@ann你好" has one. Punctuation
    behind it is none of it ("@ann."), and addresses of the web ("https://…/@ann") have none.
    """
    names: dict[str, None] = {}
    if "@" not in text and "\uff20" not in text:
        return []
    text = _ADDRESS.sub(" ", text)
    for found in _MENTION.finditer(text):
        name = found[1].lower()
        before = text[found.start() - 1 : found.start()] if found.start() else ""
        after = text[found.end() : found.end() + 1]
        if _is_of_a_word(before) or _is_of_a_word(after) or not USERNAME.fullmatch(name):
            continue
        names[name] = None
        if len(names) == MOST:
            break
    return list(names)


def _is_of_a_word(character: str) -> bool:
    """Whether what it touches is part of a longer word: cased letters, digits, and the marks
    that sit upon letters; and what makes the name the half of an address."""
    if not character:
        return False
    category = unicodedata.category(character)
    return character in "@\uff20" or category[0] in "MN" or category in ("Lu", "Ll", "Lt")

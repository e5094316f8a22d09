"""Numbered, forward-only migrations: `NNNN_name.sql` beside this file.

They are written once for all dialects; the words for types are replaced by each backend.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import NamedTuple


class Migration(NamedTuple):
    number: int
    name: str
    statements: list[str]


def load(words: dict[str, str]) -> list[Migration]:
    """All migrations in order, with the dialect's words for types put in.

    `words` maps a word (`ID`, `BYTES`) to its spelling, in which `{n}` is the size given.
    """
    found = []
    for file in resources.files(__package__).iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if match:
            text = re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8"))
            statements = [_spell(part.strip(), words) for part in text.split(";") if part.strip()]
            found.append(Migration(int(match[1]), match[2], statements))
    found.sort()
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise RuntimeError("migrations must be numbered 1, 2, 3… without a gap")
    return found


def _spell(sql: str, words: dict[str, str]) -> str:
    def spelled(match: re.Match[str]) -> str:
        return words[match[1]].format(n=match[2] or "")

    return re.sub(rf"\b({'|'.join(words)})\b(?:\((\d+)\))?", spelled, sql)

"""Where in a TOML text a key stands: tomllib tells values, not lines."""

from __future__ import annotations

import re

Key = tuple[str | int, ...]

_WORD = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_WORD}(?:\s*\.\s*{_WORD})*"
_TABLE = re.compile(rf"^\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"^\s*({_DOTTED})\s*=")
_PART = re.compile(_WORD)


class SourceLines:
    """Line numbers (from 1) of the tables and keys of one TOML text that parses."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Key, int] = {}
        self._counts: dict[Key, int] = {}
        table: Key = ()
        quote = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if not quote:
                if header := _TABLE.match(line):
                    table = self._enter(header[2], array=header[1] == "[[")
                    self._lines.setdefault(table, number)
                elif assignment := _ASSIGNMENT.match(line):
                    self._lines.setdefault((*table, *_parts(assignment[1])), number)
            quote = _open_quote(line, quote)

    def _enter(self, dotted: str, *, array: bool) -> Key:
        """Return the key of a table header, with the number of every array it goes through."""
        parts = _parts(dotted)
        key: Key = ()
        for position, part in enumerate(parts):
            key = (*key, part)
            if array and position == len(parts) - 1:
                self._counts[key] = self._counts.get(key, -1) + 1
            if key in self._counts:
                key = (*key, self._counts[key])
        return key

    def line(self, key: Key) -> int | None:
        """Return the line of `key`, else of the nearest table around it, else None."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key[:-1]
        return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _open_quote(line: str, quote: str) -> str:
    """Return the triple quote that is still open at the end of `line`, or nothing."""
    position = 0
    while True:
        if quote:
            end = line.find(quote, position)
            if end < 0:
                return quote
            position, quote = end + 3, ""
            continue
        starts = [(line.find(q, position), q) for q in ('"""', "'''")]
        found = [(at, q) for at, q in starts if at >= 0]
        comment = line.find("#", position)
        if not found or 0 <= comment < min(found)[0]:
            return ""
        at, quote = min(found)
        position = at + 3

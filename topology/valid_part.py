"""What of a faulty document is sound enough to look further, so that one run names every fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from topology.source_lines import Key, SourceLines
from topology.strict import Kept, Problems, check

_GONE = object()
_ROUNDS = 8  # a table without a faulty value may lack it, and a list without that table, and so on


def valid_part(
    raw: Mapping[str, Any], struct: type, problems: Problems, stand_ins: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return `raw` without its faulty values and the tables that cannot do without; None if empty.

    `stand_ins` has what the document and its tables cannot do without. `problems` continues naming
    what is found by its place in the whole document, and leaves out what only follows.
    """
    faulty = {key for key, _ in problems.found}
    for _ in range(_ROUNDS):
        kept: Kept = {}
        part = _without(raw, (), faulty - {(), *((name,) for name in stand_ins)}, kept)
        for name, stand_in in stand_ins.items():
            value = part.setdefault(name, stand_in)
            if isinstance(stand_in, dict) and isinstance(value, dict):
                part[name] = stand_in | value
        again = Problems(problems.file, SourceLines(""))
        check(part, struct, (), again)
        problems.look_on(kept, faulty)
        if not again.found:
            return dict(part)
        faulty |= {problems.original(key) for key, _ in again.found}
    return None


def _without(value: Any, key: Key, faulty: set[Key], kept: Kept) -> Any:
    if key in faulty:
        return _GONE
    if isinstance(value, dict):
        parts = {name: _without(item, (*key, name), faulty, kept) for name, item in value.items()}
        return {name: item for name, item in parts.items() if item is not _GONE}
    if isinstance(value, list):
        items = [_without(item, (*key, i), faulty, kept) for i, item in enumerate(value)]
        kept[key] = [i for i, item in enumerate(items) if item is not _GONE]
        return [item for item in items if item is not _GONE]
    return value


def doubtful_words(raw: Mapping[str, Any], problems: Problems) -> frozenset[str]:
    """Return every word of a table with a fault: what it declares may well be meant elsewhere."""
    tables = {
        key[: 2 if len(key) > 1 else 1] for key, _ in problems.found if key and key[0] in _DECLARE
    }
    found: set[str] = set()
    for table in tables:
        value: Any = raw.get(str(table[0]))
        if isinstance(value, list) and isinstance(table[-1], int):
            value = value[table[-1]]
        elif isinstance(value, dict):
            value = value.get(str(table[-1]))
        found |= {str(part) for part in table} | set(_words(value))
    return frozenset(found)


_DECLARE = ("site", "place", "region", "carriers")


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)

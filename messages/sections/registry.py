"""The kinds of sections that this program knows: one line each."""

from __future__ import annotations

from typing import Any

from messages.sections.kind import MOST_KINDS, SectionKind
from messages.sections.windows import WINDOWS

_KINDS: dict[str, SectionKind[Any]] = {}


def register(kind: SectionKind[Any]) -> None:
    """Let chunks hold sections of a kind. ValueError: its name or number is taken, or is none."""
    if kind.name in (*_KINDS, "probes") or not 1 <= kind.number <= MOST_KINDS:
        raise ValueError(f"no kind of section can have the name {kind.name}, number {kind.number}")
    if any(other.number == kind.number for other in kinds()):
        raise ValueError(f"there are two kinds of sections with the number {kind.number}")
    _KINDS[kind.name] = kind


def unregister(kind: SectionKind[Any]) -> None:
    """Forget a kind."""
    del _KINDS[kind.name]


def kinds() -> tuple[SectionKind[Any], ...]:
    """Return all kinds."""
    return tuple(_KINDS.values())


def kind_named(name: str) -> SectionKind[Any] | None:
    """Return the kind of that name, None where this program knows none."""
    return _KINDS.get(name)


register(WINDOWS)

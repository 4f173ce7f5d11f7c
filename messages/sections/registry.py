"""The kinds of sections that this program knows: one line each."""

from __future__ import annotations

from typing import Any

from messages.sections.kind import SectionKind
from messages.sections.windows import WINDOWS

_KINDS: dict[str, SectionKind[Any]] = {}


def register(kind: SectionKind[Any]) -> None:
    """Let chunks hold sections of a kind from now on. ValueError: there is one of that name."""
    if kind.name in _KINDS:
        raise ValueError(f"there are two kinds of sections named {kind.name}")
    _KINDS[kind.name] = kind


def unregister(kind: SectionKind[Any]) -> None:
    """Forget a kind."""
    del _KINDS[kind.name]


def kind_named(name: str) -> SectionKind[Any] | None:
    """Return the kind of that name, None where this program knows none."""
    return _KINDS.get(name)


register(WINDOWS)

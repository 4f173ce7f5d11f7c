"""The published plans as targets: one TOML file a plan, each figure with its source."""

from __future__ import annotations

import functools
import importlib.resources
import tomllib
from typing import Any

import msgspec

from foundation.text import Text
from topology.model import Name, Target


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published plan: its name, title and targets."""

    name: Name
    title: Text
    targets: tuple[Target, ...]


@functools.cache
def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that ship with the product."""
    files = importlib.resources.files("topology.presets").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


@functools.cache
def load_preset(name: str) -> Preset:
    """Return a preset by name. KeyError for a name that is none of `preset_names()`."""
    if name not in preset_names():
        raise KeyError(name)
    text = importlib.resources.files("topology.presets").joinpath(f"{name}.toml").read_text("utf-8")
    raw = tomllib.loads(text)
    return Preset(
        name=name,
        title=msgspec.convert(raw["title"], Text),
        targets=tuple(preset_target(table, raw["source"]) for table in raw["target"]),
    )


def preset_target(table: dict[str, Any], source: dict[str, Any]) -> Target:
    """Return one [[target]] of a preset file; its `clause` belongs to the plan's source."""
    table = dict(table)
    clause = table.pop("clause", None)
    return msgspec.convert({**table, "source": {**source, "clause": clause}}, Target)

"""Engines of the store by the scheme of a URL, such as ``sqlite:///var/lib/isochrone``.

An engine is registered once, here or by whoever brings it; nothing else knows which there are.
"""

from __future__ import annotations

import importlib
import pathlib
import urllib.parse
from dataclasses import dataclass
from typing import Protocol

from controller.store.interface import Store
from controller.store.levels import KEPT, Retention
from foundation.errors import ConfigError
from foundation.text import Text

_DEFAULT = "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a quick look at a store that nobody may have open found."""

    sound: bool
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a store holds, and what of it is damaged: sentences of the engine's, names of rows."""

    chunks: int
    windows: int
    rollups: int
    tiles: int
    damaged: tuple[str, ...]


class Engine(Protocol):
    """What an engine offers; a module of its functions is one. `place` is the path of the URL."""

    def open_store(self, place: pathlib.Path, *, retention: Retention) -> Store:
        """Open the store, made where there is none. Raises ConfigError or ResourceError."""

    def back_up(self, place: pathlib.Path, to: pathlib.Path) -> int:
        """Write a copy to a new file, also of a store in use; return its bytes. Errors as above."""

    def check(self, place: pathlib.Path) -> Checked:
        """Read everything in a store or a backup and say what is damaged. Errors as above."""

    def examine(self, place: pathlib.Path) -> Examined | None:
        """Look quickly at a store, in use or not; None where there is none. Changes nothing."""


# Engines that come with the controller are loaded when they are requested.
_ENGINES: dict[str, Engine | str] = {"sqlite": "controller.store.sqlite.engine"}


def register_engine(scheme: str, engine: Engine) -> None:
    """Let URLs of a scheme be opened by an engine."""
    _ENGINES[scheme] = engine


def store_url(directory: pathlib.Path) -> str:
    """Return the URL of the store in a data directory, where no other is requested."""
    return f"{_DEFAULT}://{urllib.parse.quote(str(directory.absolute()))}"


def open_store(url: str, *, retention: Retention = KEPT) -> Store:
    """Open a store. Raises ConfigError or ResourceError."""
    engine, place = _engine_of(url)
    return engine.open_store(place, retention=retention)


def back_up_store(url: str, to: pathlib.Path) -> int:
    """Write a copy of a store to a new file; see `Engine.back_up`."""
    engine, place = _engine_of(url)
    return engine.back_up(place, to)


def check_store(url: str) -> Checked:
    """Read everything that is stored; see `Engine.check`."""
    engine, place = _engine_of(url)
    return engine.check(place)


def examine_store(url: str) -> Examined | None:
    """Look quickly at a store; see `Engine.examine`."""
    engine, place = _engine_of(url)
    return engine.examine(place)


def _engine_of(url: str) -> tuple[Engine, pathlib.Path]:
    parts = urllib.parse.urlsplit(url)
    engine = _ENGINES.get(parts.scheme)
    if engine is None:
        known = ", ".join(sorted(_ENGINES))
        raise ConfigError(
            f"No store engine opens {url!r}: give a URL such as sqlite:///directory; known "
            f"engines: {known}.",
            f"无法按 {url!r} 打开存储：请使用形如 sqlite:///目录 的地址；可用的类型为 {known}。",
            url=url,
        )
    if isinstance(engine, str):
        loaded: Engine = importlib.import_module(engine)
        engine = loaded
    return engine, pathlib.Path(urllib.parse.unquote(parts.netloc + parts.path))

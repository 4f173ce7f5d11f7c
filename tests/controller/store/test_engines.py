"""Engines are found by the scheme of a URL, and nobody outside the store names one."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

from controller.store.engines import examine_store, open_store, store_url
from foundation.errors import ConfigError

ROOT = pathlib.Path(__file__).parents[3]
# The database of keys is no part of the store: it may not depend on the engine that keeps windows.
KEYS = ROOT / "controller" / "access"
DATABASES = {"sqlite3", "sqlite_utils", "foundation.sqlite_faults"}
ENGINE = re.compile(r"sqlite|isochrone\.db", re.IGNORECASE)


def outside() -> list[pathlib.Path]:
    """Return the controller's modules outside the store and the keys, and the lab's."""
    store = ROOT / "controller" / "store"
    files = [*ROOT.glob("controller/**/*.py"), *ROOT.glob("lab/**/*.py")]
    spool = ROOT / "lab" / "faults" / "spool_file.py"  # an agent's file, damaged on purpose
    return [one for one in files if not {store, KEYS} & set(one.parents) and one != spool]


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return names


@pytest.mark.parametrize("path", outside(), ids=lambda one: str(one.relative_to(ROOT)))
def test_no_module_outside_the_store_names_its_engine(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not DATABASES & imported(ast.parse(text))
    if path.is_relative_to(ROOT / "controller"):
        assert ENGINE.findall(text) == []


@pytest.mark.parametrize("name", ["data", "数据 1", "50%20", "a#b?c"])
def test_any_directory_has_a_url_that_opens_its_store(tmp_path: pathlib.Path, name: str) -> None:
    url = store_url(tmp_path / name)
    open_store(url).close()
    assert (tmp_path / name).is_dir()
    found = examine_store(url)
    assert found is not None
    assert found.sound


def test_a_scheme_that_nobody_registered_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="sqlite"):
        open_store("nowhere:///data")

"""Fixtures of this folder."""

import pathlib
from collections.abc import Iterator

import pytest

from controller.store.sqlite.database import Database


@pytest.fixture
def database(tmp_path: pathlib.Path) -> Iterator[Database]:
    opened = Database(tmp_path / "data")
    yield opened
    opened.close()

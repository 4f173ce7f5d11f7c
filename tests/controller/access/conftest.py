"""Fixtures of this folder."""

import pathlib
from typing import Any

import pytest

from controller.access.certificate_authority import Authority, create_authority


@pytest.fixture
def authority(tmp_path: pathlib.Path, clock: Any) -> Authority:
    return create_authority(tmp_path / "data", ["controller.example", "127.0.0.1"], clock)

"""Fixtures of this folder."""

import pathlib

import pytest

from topology.mesh import plan_streams
from topology.model import PlannedStream
from topology.site_file import load_network


@pytest.fixture
def streams(site_file: pathlib.Path) -> list[PlannedStream]:
    """The UDP streams between nanjing and suzhou, each way and each carrier and IP version."""
    found = plan_streams(load_network(site_file))
    return [stream for stream in found if stream.type_p.protocol == "udp"]

"""Being told that interfaces."""

from __future__ import annotations

import pytest

from probes.sockets.routes import is_local

pytestmark = pytest.mark.network


def test_address_is_local_where_a_socket_can_be_bound_to_it(two_hosts) -> None:
    with two_hosts.inside(two_hosts.a):
        assert is_local("10.99.0.1")
        assert is_local("fd99::1")
        assert not is_local("10.99.0.2")
        assert not is_local("fe80::1%nowhere0")

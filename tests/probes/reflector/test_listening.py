"""Where a reflector listens: addresses, wildcards, and what it says when it may not."""

import socket

import pytest
from asking import Sender, free_port, reflector, request, spec

from foundation.errors import ConfigError, ResourceError, RightsError
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.stamp import packet as stamp

pytestmark = pytest.mark.network


def test_a_port_in_use_says_what_to_do():
    with (
        Sender(("127.0.0.1", 9)) as holder,
        pytest.raises(ResourceError, match="choose another port") as caught,
    ):
        Reflector([spec(port=holder.sock.getsockname()[1])], own_clock_bound_ns=lambda: 0.0)
    assert "改用其他端口" in caught.value.text.zh


def test_an_address_that_is_not_ours_says_so():
    with pytest.raises(ResourceError, match="not an address of this machine"):
        Reflector([spec("192.0.2.1", port=8620)], own_clock_bound_ns=lambda: 0.0)


@pytest.mark.parametrize("bad", [{"address": "nowhere"}, {"peers": ("10.0.0.0/40",)}])
def test_a_bad_address_or_peer_is_named(bad):
    fields = {"address": "127.0.0.1", "port": 8620, "peers": ()} | bad
    with pytest.raises(ConfigError, match=r"nowhere|10\.0\.0\.0/40"):
        Reflector([ReflectorSpec(**fields)], own_clock_bound_ns=lambda: 0.0)


def test_a_low_port_without_the_right_says_which_right(monkeypatch):
    def refuse(self, where):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)  # root may always bind
    with pytest.raises(RightsError, match="ip_unprivileged_port_start=862"):
        Reflector([spec("127.0.0.1", port=862)], own_clock_bound_ns=lambda: 0.0)


def test_the_ipv6_wildcard_answers_both_families():
    with reflector(spec("::")) as running:
        port = running.addresses()[0][1]
        for host in ("127.0.0.1", "::1"):
            with Sender((host, port)) as sender:
                assert sender.probe(4).sender_ttl == 64


def test_both_wildcards_may_be_listed_side_by_side():
    port = free_port("::")
    with reflector(spec("::", port=port), spec("0.0.0.0", port=port)):
        for host in ("127.0.0.1", "::1"):
            with Sender((host, port)) as sender:
                assert sender.probe(4).sender_sequence == 4


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.77", "127.9.9.9"])
def test_a_reflector_bound_to_every_address_answers_from_the_one_that_was_asked(bound, asked):
    with reflector(spec(bound)) as running, Sender((asked, running.addresses()[0][1])) as sender:
        sender.sock.connect((asked, running.addresses()[0][1]))  # hears nobody else
        assert stamp.decode_reflector(sender.exchange(request(3))).sender_sequence == 3

"""A machine without IPv6 measures and answers over IPv4, and says what cannot run."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from engine_run import Run, spec

from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec

pytestmark = pytest.mark.network

ISOCHRONE = ["-m", "isochrone"]
WITHOUT = [sys.executable, str(pathlib.Path(__file__).with_name("without_ipv6.py"))]


@pytest.fixture(autouse=True)
def _needs_a_filter_of_system_calls() -> None:
    script = "import socket; socket.socket(socket.AF_INET6)"
    run = subprocess.run([*WITHOUT, "-c", script], capture_output=True, check=False, text=True)
    if "Address family not supported" not in run.stderr:
        pytest.skip("this machine allows no filter of system calls (seccomp)")


@pytest.mark.parametrize("protocol", ["icmp", "udp", "tcp"])
def test_probe_measures_ipv4_and_says_that_ipv6_is_off(protocol: str, needs_raw_sockets: None):
    words = [*WITHOUT, *ISOCHRONE, "probe", protocol, "127.0.0.1", "::1", "--count", "2",
             "--interval", "10ms", "--timeout", "300ms", "--json"]  # fmt: skip
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "Traceback" not in run.stderr
    v4, v6 = (json.loads(line) for line in run.stdout.splitlines())
    assert v4["sent"] == 2
    assert v6["sent"] == 0
    assert "IPv6 is switched off" in run.stdout + run.stderr


def test_reflector_of_both_families_answers_ipv4_and_says_so(
    free_udp_port: Callable[[str], int],
) -> None:
    port = free_udp_port("127.0.0.1")
    words = [*WITHOUT, *ISOCHRONE, "reflect", "--open", "--listen", f"[::]:{port}"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        told = running.stderr.readline()
        assert "answering STAMP" in running.stderr.readline()
        run = Run(spec("udp", port=port), probes=5)
        run.finish(answered=5)
        running.send_signal(signal.SIGTERM)
    assert "IPv6 is switched off" in told
    assert run.total("received", 1) == 5


def test_reflector_opens_its_ipv4_places_where_the_kernel_refuses_ipv6(
    monkeypatch: pytest.MonkeyPatch, free_udp_port: Callable[[str], int]
) -> None:
    """An injected opener stands for the kernel."""
    real = socket.socket

    def of_ipv4(family: int, *more: int, interface: str) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        assert interface == ""
        return real(family, *more)

    monkeypatch.setattr("probes.reflector.listening.new_socket", of_ipv4)
    places = [
        ReflectorSpec(address=address, port=free_udp_port("127.0.0.1"), peers=("0.0.0.0/0", "::/0"))
        for address in ("::1", "127.0.0.1", "::")
    ]
    reflector = Reflector(places, own_clock_bound_ns=lambda: 0.0)
    try:
        assert [place[0] for place in reflector.addresses()] == ["127.0.0.1", "0.0.0.0"]
        assert all(re.search("IPv6 is switched off", text.en) for text in reflector.refused())
    finally:
        reflector.stop()


@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
def test_namespace_with_ipv6_disabled_measures_ipv4(two_hosts, protocol: str) -> None:
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", "net.ipv6.conf.all.disable_ipv6=1")
    more = {} if protocol == "icmp" else {"port": 9}
    with two_hosts.inside(two_hosts.a):
        run = Run(
            spec(protocol, "10.99.0.2", stream_id=1, **more),
            spec(protocol, "fd99::2", stream_id=2, **more),
            spec(protocol, "fd99::2", stream_id=3, source="fd99::1", **more),
            probes=5,
        ).finish()
    assert run.total("sent", 1) == 5
    assert run.total("lost_unknown", 2) == run.total("received", 2) == 0  # never said to be lost
    (told,) = run.engine.health().refused.values()
    assert "fd99::1 is not an address of this machine" in told.en

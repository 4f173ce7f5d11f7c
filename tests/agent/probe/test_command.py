"""`isochrone probe` and `isochrone reflect`, run for real on loopback."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from agent.probe.targets import resolve
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec

PATIENCE_S = 120  # a hang, not slowness
KEYS = [
    "target",
    "protocol",
    "address",
    "port",
    "asked",
    "sent",
    "not_sent",
    "not_sent_causes",
    "asked_rate",
    "sent_rate",
    "kept_ratio",
    "received",
    "lost",
    "loss_ratio",
    "unread",
    "in_flight",
    "discarded",
    "late",
    "duplicate",
    "ttl",
    "hops",
    "dscp",
    "timestamping",
    "rtt_ns",
    "flows",
    "remarks",
]
ENV = {**os.environ, "ISOCHRONE_LANG": "en"}


def isochrone(
    *arguments: str, language: str = "en", stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "isochrone", *arguments],
        capture_output=True,
        input=stdin,
        text=True,
        timeout=PATIENCE_S,
        env=ENV | {"ISOCHRONE_LANG": language},
        check=False,
    )


@pytest.mark.network
def test_icmp_probe_prints_one_json_object_a_target() -> None:
    arguments = ("--count", "3", "--interval", "20ms", "--timeout", "30s", "--json")
    done = isochrone("probe", "icmp", "127.0.0.1", "::1", "nowhere.invalid", *arguments)
    v4, v6, bad = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    for answered in (v4, v6):
        assert list(answered) == KEYS  # no one-way delay: nobody vouched for a clock
        assert list(answered["rtt_ns"]) == ["min", "p50", "p90", "p99", "max", "mean"]
        assert (answered["sent"], answered["received"], answered["lost"]) == (3, 3, 0)
    assert (bad["sent"], bad["loss_ratio"], bad["rtt_ns"]["p50"]) == (0, None, None)
    assert bad["error"].startswith("nowhere.invalid cannot be resolved")


@pytest.mark.network
def test_udp_probe_meets_our_reflector_and_table_is_in_the_users_language() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_port:
        probe_port.bind(("127.0.0.1", 0))
        port = str(probe_port.getsockname()[1])
    reflect = (sys.executable, "-P", "-m", "isochrone", "reflect", "--peer", "127.0.0.0/8")
    with subprocess.Popen(
        [*reflect, "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENV,
    ) as reflector:
        assert reflector.stderr is not None
        assert "answering STAMP" in reflector.stderr.readline()
        arguments = ("udp", "127.0.0.1", "--port", port, "--count", "5", "--interval", "20")
        arguments = (*arguments, "--timeout", "30s")  # who has to wait for long is not lost
        done = isochrone("probe", *arguments, language="zh")
        second = isochrone("reflect", "--listen", f"127.0.0.1:{port}", "--open")
        reflector.send_signal(signal.SIGTERM)
        counters, _ = reflector.communicate()
    assert (done.returncode, done.stderr) == (0, "")
    assert "丢包率" in done.stdout
    assert "0.0%" in done.stdout
    assert "reflected 5" in counters
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "in use" in second.stderr


@pytest.mark.network
def test_the_first_probe_leaves_at_once_however_long_the_interval() -> None:
    """At a random moment of the first hour it would hardly leave within the patience of tests."""
    done = isochrone("probe", "icmp", "127.0.0.1", "--count", "1", "--interval", "3600s", "--json")
    (result,) = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, result["sent"], result["received"]) == (0, 1, 1)


@pytest.mark.network
def test_silent_target_is_lost_and_status_is_1() -> None:
    arguments = ("--port", "9", "--count", "2", "--interval", "20", "--timeout", "200", "--json")
    done = isochrone("probe", "udp", "127.0.0.1", *arguments)
    (answer,) = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert (answer["lost"], answer["loss_ratio"], answer["rtt_ns"]["p50"]) == (2, 1.0, None)


@contextlib.contextmanager
def endless_probe() -> Iterator[subprocess.Popen[str]]:
    """Run a probe of a reflector of ours, which has had its first answers."""
    place = ReflectorSpec(address="127.0.0.1", port=0, peers=("127.0.0.1",))
    reflector = Reflector([place], own_clock_bound_ns=lambda: 1000.0)
    reflector.start()
    port = str(reflector.addresses()[0][1])
    arguments = ("probe", "udp", "127.0.0.1", "--port", port, "--count", "100000", "--json")
    try:
        with subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "isochrone",
                *arguments,
                "--interval",
                "20",
                "--timeout",
                "30s",
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=ENV,
        ) as probe:
            give_up_s = time.monotonic() + PATIENCE_S
            while reflector.counters().reflected < 3:
                assert time.monotonic() < give_up_s
                threading.Event().wait(0.02)
            yield probe
    finally:
        reflector.stop()


@pytest.mark.network
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_run_prints_what_it_has(number: signal.Signals) -> None:
    with endless_probe() as probe:
        probe.send_signal(number)
        output, _ = probe.communicate(timeout=PATIENCE_S)
    answer = json.loads(output)
    assert 0 < answer["received"] == answer["sent"] - answer["in_flight"] < 100_000


def test_wrong_usage_is_status_2_and_a_flood_is_refused() -> None:
    assert isochrone("probe", "sctp", "127.0.0.1").returncode == 2
    assert isochrone("probe", "icmp", "127.0.0.1", "--interval", "soon").returncode == 2
    flood = isochrone("probe", "icmp", "127.0.0.1", "--interval", "10us")
    assert flood.returncode == 2
    assert "too short" in flood.stderr


def test_reflector_wants_to_know_who_may_ask() -> None:
    done = isochrone("reflect")
    assert done.returncode == 2
    assert "--peer" in done.stderr


def test_an_address_may_stand_in_brackets_and_have_a_zone() -> None:
    bracketed, zoned = resolve(["[2001:db8::1]", "fe80::1%lo"], None)
    assert (bracketed.address, zoned.address) == ("2001:db8::1", "fe80::1%lo")


@pytest.mark.network
def test_a_closed_tcp_port_is_measured_and_named() -> None:
    done = isochrone("probe", "tcp", "127.0.0.1", "--port", "9", "--count", "1")
    assert done.returncode == 0
    assert "TCP port 9 of 127.0.0.1 is closed" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--timeout", "2m"), "60s"),
        (("--hmac-key-file", "key"), "for udp"),
        (("--port", "80"), "no ports"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: tuple[str, ...], told: str) -> None:
    done = isochrone("probe", "icmp", "127.0.0.1", *options)
    assert done.returncode == 2
    assert told in done.stderr


def answers_of(*hosts: str) -> Callable[..., list[tuple[object, ...]]]:
    def resolver(name: str, *_: object) -> list[tuple[object, ...]]:
        return [(None, None, None, "", (host, 0)) for host in hosts]

    return resolver


@pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"])
def test_a_name_that_stands_for_no_single_host_is_not_probed(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", answers_of(host))
    (target,) = resolve(["blocked.example.net"], None)
    assert target.address is None
    assert target.error is not None
    assert f"its address {host}" in target.error.text.en
    monkeypatch.setattr("socket.getaddrinfo", answers_of(host, "192.0.2.1"))
    (target,) = resolve(["half.example.net"], None)
    assert target.address == "192.0.2.1"


@pytest.mark.parametrize(
    "name", ["010.0.0.1", "127.000.000.010", "127.1", "0x7f.1", "１２７.0.0.1"]
)
def test_no_resolver_is_asked_what_a_number_means(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", None)
    (target,) = resolve([name], None)
    assert target.address is None
    assert target.error is not None
    assert "may mean" in target.error.text.en


@pytest.mark.network
def test_an_open_reflector_tells_of_short_requests_while_it_runs() -> None:
    command = (sys.executable, "-P", "-m", "isochrone", "reflect", "--open")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free,
    ):
        free.bind(("127.0.0.1", 0))
        place = free.getsockname()
        free.close()
        listen = ("--listen", f"127.0.0.1:{place[1]}")
        with subprocess.Popen(
            [*command, *listen], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV
        ) as running:
            assert running.stderr is not None
            assert "answering STAMP" in running.stderr.readline()
            sender.sendto(bytes(14), place)
            told = running.stderr.readline()
            sender.sendto(bytes(43), place)
            sender.settimeout(PATIENCE_S)
            sender.sendto(bytes(44), place)
            assert len(sender.recv(2048)) == 44
            running.send_signal(signal.SIGTERM)
            counters, rest = running.communicate(timeout=PATIENCE_S)
    assert told.startswith(
        "isochrone: 1 request was too short to be answered, the latest of 14 oct"
    )
    assert "from 127.0.0.1" in told
    assert "at least 44" in told
    assert rest.startswith(
        "isochrone: 1 request was too short to be answered, the latest of 43 oct"
    )
    assert "growing 2" in counters

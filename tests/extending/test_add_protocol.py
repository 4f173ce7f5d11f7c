"""A probe protocol is a folder and one registration: UDP echo, added by `udp_echo` from outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

SITES = """
[network]
name = "echoes"

[[site]]
name = "here"
city = "nanjing"
[[site.interface]]
carrier = "telecom"
address = "127.0.0.1"

[[site]]
name = "there"
city = "suzhou"
external = true
[[site.interface]]
carrier = "telecom"
address = "127.0.0.2"

[[mesh]]
name = "all"
[[mesh.stream]]
protocol = "{protocol}"
port = {port}
interval_ms = 5
{more}
"""


@pytest.fixture
def echo_port() -> Iterator[int]:
    """Give back every datagram that comes to 127.0.0.2; return at which port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.2", 0))

        def serve() -> None:
            while True:
                data, sender = server.recvfrom(65_535)
                if not data:
                    return
                server.sendto(data, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.sendto(b"", server.getsockname())
        thread.join()


def isochrone_with_echo(*words: str, language: str = "en") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}",
        "ISOCHRONE_LANG": language,
        "PYTHONWARNINGS": "error",
    }
    command = [sys.executable, "-P", "-m", "udp_echo", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.network
def test_probe_command_measures_by_a_protocol_that_was_added(echo_port: int) -> None:
    done = isochrone_with_echo(
        *("probe", "echo", "127.0.0.2", "--port", str(echo_port)),
        *("--count", "20", "--interval", "10ms", "--json"),
    )
    said = json.loads(done.stdout)
    assert (said["protocol"], said["port"]) == ("echo", echo_port)
    assert (said["sent"], said["received"], said["lost"]) == (20, 20, 0)
    assert said["rtt_ns"]["min"] > 0
    assert said["flows"][0]["source_port"] > 0


@pytest.mark.network
def test_site_file_plans_it_and_the_engine_sums_it_up_in_windows(
    tmp_path: Path, echo_port: int
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(SITES.format(protocol="echo", port=echo_port, more=""), encoding="utf-8")
    done = isochrone_with_echo("measure", str(sites))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["type_p"] == [f"echo4/{echo_port}/32B/dscp0"]
    assert said["packet_bytes"] == [20 + 8 + 32]
    assert said["reflectors"] == 0
    assert (said["sent"], said["received"]) == (40, 40)
    assert said["windows"] >= 2
    assert said["least_rtt_ns"] > 0


@pytest.mark.parametrize(
    ("protocol", "more", "says"),
    [
        ("echo", "payload_bytes = 8", "8 bytes cannot carry an echo request; use 12 or more"),
        ("echo", "authenticated = true", "only udp can be authenticated (STAMP, RFC 8762); echo"),
        ("ecko", "", "did you mean `echo`?"),
    ],
)
def test_site_file_is_held_to_what_the_protocol_says(
    tmp_path: Path, protocol: str, more: str, says: str
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(SITES.format(protocol=protocol, port=7, more=more), encoding="utf-8")
    done = isochrone_with_echo("measure", str(sites))
    assert says in done.stderr


@pytest.mark.parametrize(("language", "says"), [("en", "UDP echo"), ("zh", "UDP 回显数据")])
def test_help_names_it_in_both_languages(language: str, says: str) -> None:
    done = isochrone_with_echo("probe", "--help", language=language)
    assert says in " ".join(done.stdout.split())
    assert "{icmp|udp|tcp|echo}" in done.stdout

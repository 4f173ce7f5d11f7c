"""What `isochrone probe` reports about probes that never left, of answers of no use and
of DSCPs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.probe.findings import DscpMarks, causes_of, why_of_no_use
from agent.probe.reasons import sentences

PATIENCE_S = 120  # a hang, not slowness


class OneHost:
    """A network namespace with loopback alone."""

    def __init__(self) -> None:
        self.name = f"isoF{os.getpid()}"
        self.sh("ip", "netns", "add", self.name)
        self.sh("ip", "-n", self.name, "link", "set", "lo", "up")

    def sh(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, check=True, capture_output=True, text=True, input=stdin)

    def rule(self, hook: str, rule: str) -> None:
        table = f"table inet t {{ chain c {{ type filter hook {hook} priority 0; {rule}; }}; }}"
        self.sh("ip", "netns", "exec", self.name, "nft", "-f", "-", stdin=table)

    def probe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self.name, sys.executable, "-P", "-m", "isochrone", "probe",
             *arguments],
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
            env=os.environ | {"ISOCHRONE_LANG": "en"},
        )  # fmt: skip

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


@pytest.fixture
def host() -> Iterator[OneHost]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces: run `sudo make test`")
    made = OneHost()
    try:
        yield made
    finally:
        made.remove()


@pytest.mark.network
def test_probes_that_our_own_firewall_stops_are_told_and_are_no_success(host: OneHost) -> None:
    host.rule("output", "icmp type echo-request icmp sequence > 7 drop")
    arguments = ("icmp", "127.0.0.1", "--count", "20", "--interval", "5ms", "--timeout", "30s")
    done = host.probe(*arguments, "--json")
    (found,) = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert (found["asked"], found["sent"], found["not_sent"]) == (20, 7, 13)
    assert found["not_sent_causes"] == {"firewall": 13}
    assert (found["received"], found["lost"], found["loss_ratio"]) == (7, 0, 0.0)
    assert (
        "Not all probes were sent. This machine's firewall stops probes to 127.0.0.1" in done.stderr
    )
    table = host.probe(*arguments)
    assert table.returncode == 1
    assert "13 (firewall 13)" in table.stdout


@pytest.mark.network
def test_a_stream_that_never_began_was_asked_for_all_the_same(host: OneHost) -> None:
    done = host.probe("udp", "192.0.2.1", "--count", "3", "--interval", "5ms", "--json")
    (found,) = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert (found["asked"], found["sent"], found["not_sent"]) == (3, 0, 3)
    assert found["not_sent_causes"] == {"no_route": 3}
    assert found["loss_ratio"] is None


@pytest.mark.network
@pytest.mark.parametrize("target", ["127.0.0.1", "::1"])
def test_a_dscp_that_comes_back_as_zero_is_told(host: OneHost, target: str) -> None:
    far = "ip6 dscp set cs0" if ":" in target else "ip dscp set cs0"
    arguments = ("icmp", target, "--count", "3", "--interval", "5ms", "--timeout", "30s")
    kept = host.probe(*arguments, "--dscp", "46", "--json")
    (found,) = map(json.loads, kept.stdout.splitlines())
    assert (found["dscp"]["sent"], found["dscp"]["backward"]) == (46, 46)
    assert (found["dscp"]["changed_backward"], kept.stderr) == (0, "")
    host.rule("input", far)
    lost = host.probe(*arguments, "--dscp", "46", "--json")
    (found,) = map(json.loads, lost.stdout.splitlines())
    assert (found["dscp"]["backward"], found["dscp"]["changed_backward"]) == (0, 3)
    assert "left with DSCP 46, and answers arrive with DSCP 0" in lost.stderr


def test_errnos_are_counted_by_cause() -> None:
    assert causes_of({1: 3, 101: 2, 113: 1, 105: 4}) == {
        "firewall": 3,
        "no_route": 3,
        "queue": 4,
    }


def test_every_reason_of_no_use_has_its_sentence_and_names_its_targets() -> None:
    reasons = dict.fromkeys(("truncated", "checksum", "other_address", "altered", "malformed"), 1)
    told = sentences((remark, "192.0.2.9", None) for remark in why_of_no_use(reasons, 2))
    assert len(told) == 6
    assert all("192.0.2.9" in text.en and "192.0.2.9" in text.zh for text in told)


def test_what_the_far_end_saw_comes_before_what_came_back() -> None:
    marks = DscpMarks(46, {"forward": {0: 5, 184: 1}, "backward": {0: 6}})
    assert (marks.dscp("forward"), marks.changed("forward"), marks.changed("backward")) == (0, 5, 6)
    (told,) = marks.remarks("udp")
    assert "reached the reflector with DSCP 0" in told.text.en


def test_congestion_that_answers_met_is_told() -> None:
    marks = DscpMarks(0, {"forward": {}, "backward": {0: 5, 3: 1}})
    (told,) = marks.remarks("icmp")
    assert "ECN CE" in told.text.en
    assert marks.document()["ecn_backward"] == 3

"""ICMP probes per CPU second with kernel stamps both ways, beside fping; round trips over a veth.

Run as root: `python bench/engine_rate.py`. Makes two namespaces of its own and removes them.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import resource
import subprocess
import time

import numpy as np

from probes.engine import Engine
from probes.stream import StreamSpec, TypeP

TARGETS = 1_000
SECONDS = 4.0
A, B = f"isobench-a{os.getpid()}", f"isobench-b{os.getpid()}"
CLONE_NEWNET = 0x40000000


def sh(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def build() -> None:
    for name in (A, B):
        sh("ip", "netns", "add", name)
    sh("ip", "-n", A, "link", "add", "v", "type", "veth", "peer", "name", "v", "netns", B)
    for name, last in ((A, "1"), (B, "2")):
        sh("ip", "-n", name, "addr", "add", f"10.98.0.{last}/16", "dev", "v")
        sh("ip", "-n", name, "link", "set", "lo", "up")
        sh("ip", "-n", name, "link", "set", "v", "up")
    # The far namespace answers for a thousand addresses, all behind one neighbour entry.
    sh("ip", "-n", B, "route", "add", "local", "10.97.0.0/16", "dev", "lo")
    sh("ip", "-n", A, "route", "add", "10.97.0.0/16", "via", "10.98.0.2")


def enter(name: str) -> None:
    with pathlib.Path(f"/run/netns/{name}").open() as there:
        assert ctypes.CDLL(None).setns(there.fileno(), CLONE_NEWNET) == 0


def targets() -> list[str]:
    return [f"10.97.{1 + number // 250}.{1 + number % 250}" for number in range(TARGETS)]


def run_engine(interval_ms: float, hosts: list[str]) -> tuple[float, int, np.ndarray]:
    """Return (CPU seconds, probes, round trips in ns)."""
    rtts: list[np.ndarray] = []
    specs = [
        StreamSpec(
            stream_id=number,
            destination=host,
            type_p=TypeP(protocol="icmp", ip_version=4),
            interval_ms=interval_ms,
            timeout_ms=500,
        )
        for number, host in enumerate(hosts)
    ]
    engine = Engine(
        specs,
        window_ns=1_000_000_000,
        on_windows=lambda _: None,
        on_samples=lambda batch: rtts.append(batch.rtt_ns),
    )
    before = time.process_time()
    engine.start()
    time.sleep(SECONDS)
    engine.stop()
    health = engine.health()
    assert health.stamping == "kernel", health
    return time.process_time() - before, health.probes_received, np.concatenate(rtts)


def run_fping() -> tuple[float, int]:
    """Return (CPU seconds, probes): as fast as it goes, ten rounds over all targets."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    count = 40
    subprocess.run(
        ["fping", "-q", "-i", "0", "-p", "1", "-c", str(count), *targets()],
        check=False, capture_output=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s, count * TARGETS


def main() -> None:
    build()
    try:
        enter(A)
        fping_cpu_s, fping_probes = run_fping()
        fast_cpu_s, fast_probes, fast_ns = run_engine(5.0, targets())
        slow_cpu_s, slow_probes, slow_ns = run_engine(1_000.0, targets())
        _, _, one_ns = run_engine(5.0, targets()[:1])
    finally:
        for name in (A, B):
            subprocess.run(["ip", "netns", "del", name], check=False)
    print(f"{'':26}{'probes/CPU s':>14}{'p50 us':>9}{'p90 us':>9}{'p99 us':>9}")
    print(f"{'fping, as fast as it goes':26}{fping_probes / fping_cpu_s:14,.0f}")
    for name, cpu_s, probes, rtt_ns in (
        ("engine, 1000 × 5 ms", fast_cpu_s, fast_probes, fast_ns),
        ("engine, 1000 × 1 s", slow_cpu_s, slow_probes, slow_ns),
        ("engine, 1 × 5 ms", float("nan"), len(one_ns), one_ns),
    ):
        p50, p90, p99 = np.nanquantile(rtt_ns, [0.5, 0.9, 0.99], method="inverted_cdf") / 1e3
        print(f"{name:26}{probes / cpu_s:14,.0f}{p50:9.1f}{p90:9.1f}{p99:9.1f}")
    print(f"CPU at 1,000 probes/s: {slow_cpu_s / SECONDS:.1%} of a core")
    print(f"resident: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")


if __name__ == "__main__":
    main()

"""A Python library's side of a comparison, as its own program.

`python -m bench.python_pingers NAME TARGETS ROUNDS`; says one JSON object (`Pinged`). Targets
are comma separated. CPU time leaves out imports, as it does for ours.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import msgspec

from bench.accounting import Program, own_cpu_s
from lab.fleet.children import python_command


class Pinged(msgspec.Struct):
    """So many answers at such a cost; `rtt_ns` where the library tells single round trips."""

    cpu_s: float
    received: int
    rtt_ns: list[float] = []


def with_icmplib(targets: list[str], rounds: int) -> int:
    import icmplib

    hosts = icmplib.multiping(targets, count=rounds, interval=0, concurrent_tasks=50)
    return sum(host.packets_received for host in hosts)


def with_aioping(targets: list[str], rounds: int) -> int:
    import aioping

    async def once(target: str, turn: asyncio.Semaphore) -> int:
        async with turn:
            try:
                await aioping.ping(target, timeout=1)
            except TimeoutError:
                return 0
            return 1

    async def every() -> int:
        turn = asyncio.Semaphore(50)
        wanted = [once(target, turn) for _ in range(rounds) for target in targets]
        return sum(await asyncio.gather(*wanted))

    return asyncio.run(every())


def with_scapy(targets: list[str], rounds: int) -> int:
    from scapy.layers.inet import ICMP, IP
    from scapy.sendrecv import sr

    answered, _ = sr(
        [IP(dst=target) / ICMP(id=7, seq=n) for n in range(rounds) for target in targets],
        timeout=1,
        verbose=0,
    )
    return len(answered)


def one_by_one_with_icmplib(targets: list[str], rounds: int) -> list[float]:
    import icmplib

    host = icmplib.ping(targets[0], count=rounds, interval=0.01, timeout=1)
    return [rtt_ms * 1e6 for rtt_ms in host.rtts]


_LIBRARIES: dict[str, Callable[[list[str], int], int]] = {
    "icmplib": with_icmplib,
    "aioping": with_aioping,
    "scapy": with_scapy,
}


def main() -> None:
    name, targets, rounds = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
    if name == "icmplib-rtts":
        pinged = Pinged(0.0, 0, one_by_one_with_icmplib(targets, rounds))
    else:
        _LIBRARIES[name](targets[:1], 1)  # imports and first-time work
        before_s = own_cpu_s()
        received = _LIBRARIES[name](targets, rounds)
        pinged = Pinged(own_cpu_s() - before_s, received)
    sys.stdout.buffer.write(msgspec.json.encode(pinged))


def ping_with(name: str, targets: list[str], rounds: int) -> Pinged:
    """Run one library as a child."""
    command = python_command("-m", "bench.python_pingers", name, ",".join(targets), str(rounds))
    ended = Program(*command).end(limit_s=120)
    if ended.code:
        raise RuntimeError(ended.complained.decode())
    return msgspec.json.decode(ended.said, type=Pinged)


if __name__ == "__main__":
    main()

"""What of a plan the owner's policy allows: arrays in, streams out, at plan time alone.

A stream that may not run at all is refused. Streams that together ask for too much are slowed:
those of one destination by the same factor, then all by the same factor. Whatever is curtailed is
told with the rule that did it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.measuring.unanswered_journal import Silence
from agent.policy.policy import Policy
from agent.policy.resource_budget import admit_streams
from foundation.literals import AddressError, Network, read_prefix
from foundation.text import Text, counted
from messages.exchange import CurtailedStream, Curtailment, Plan, PolicyRule, UnansweredRule
from probes.addresses import pack_address
from probes.packet_size import packet_bytes
from probes.reflector.sessions import Sources, read_sources
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec

_PER_DESTINATION: tuple[PolicyRule, PolicyRule] = (
    "policy.max_packets_per_s_per_destination",
    "policy.max_bits_per_s_per_destination",
)
_IN_ALL: tuple[PolicyRule, PolicyRule] = ("policy.max_packets_per_s", "policy.max_bits_per_s")
_SLOWEST_MS = 3_600_000.0  # a stream slower than one probe an hour measures nothing: refused


@dataclass(frozen=True, slots=True)
class Granted:
    """What may run of a plan, and what was curtailed: by stream, and counted by rule."""

    streams: tuple[StreamSpec, ...]
    reflectors: tuple[ReflectorSpec, ...]
    curtailed: tuple[CurtailedStream, ...] = ()
    by_rule: tuple[Curtailment, ...] = ()
    silent: tuple[Silence, ...] = ()  # senders that reflectors may not answer


@dataclass(slots=True)
class _Demand:
    """The streams of a plan as columns; `rule` is what curtails each, "" for nothing."""

    sources: Sources  # the destinations
    packets_per_s: NDArray[np.float64]
    packet_bytes: NDArray[np.int64]
    port: NDArray[np.int64]  # 0 where the protocol has none
    protocol: NDArray[np.str_]
    rule: NDArray[np.object_]
    factor: NDArray[np.float64]  # 1: as asked; below: slowed; 0: refused

    def refuse(self, which: NDArray[np.bool_], rule: PolicyRule) -> None:
        fresh = which & (self.factor > 0)
        self.rule[fresh] = rule
        self.factor[fresh] = 0.0

    def slow(self, factor: NDArray[np.float64], rule: PolicyRule) -> None:
        slowed = (factor < 1) & (self.factor > 0)
        self.rule[slowed] = rule
        self.factor[slowed] *= factor[slowed]


def summary_of(plan: Plan, granted: Granted) -> Text:
    """Return in one sentence how much of `plan` runs, with the rules that take from it."""
    total, running = len(plan.streams), len(granted.streams)
    slowed = sum(one.action == "throttled" for one in granted.curtailed)
    rules = ", ".join(sorted({one.rule for one in granted.by_rule}))
    return Text(
        f"Plan {plan.version}: {counted(total, 'stream')}; {running - slowed} run as asked, "
        f"{slowed} slowed, "
        f"{total - running} refused" + (f": {rules}." if rules else "."),
        f"计划 {plan.version}：共 {total} 条测量流；{running - slowed} 条按要求运行，"
        f"{slowed} 条限速，{total - running} 条被拒绝" + (f"：{rules}。" if rules else "。"),
    )


def grant(policy: Policy, plan: Plan, *, quiet: bool = False) -> Granted:
    """Return what `policy` allows of `plan`. In quiet hours nothing is probed, all is answered."""
    demand = _demand_of(plan.streams)
    _refuse(policy, demand)
    if quiet:
        demand.refuse(np.ones(len(plan.streams), np.bool_), "policy.quiet_hours")
    admit_streams(policy.config, plan.streams, demand.factor > 0, demand.refuse)
    _slow(policy, demand)
    streams, curtailed = _outcome(plan.streams, demand)
    reflectors, silent = _reflectors(policy, plan.reflectors)
    refused = Counter[UnansweredRule]()
    for one in silent:
        refused[one.rule] += len(one.senders)
    counts = Counter((one.rule, one.action) for one in curtailed)
    by_rule = [
        Curtailment(rule=rule, action=action, streams=n) for (rule, action), n in counts.items()
    ]
    by_rule += [
        Curtailment(rule=cast(PolicyRule, rule), action="refused", senders=n)
        for rule, n in refused.items()
    ]
    return Granted(streams, reflectors, curtailed, tuple(by_rule), silent)


def _demand_of(streams: Sequence[StreamSpec]) -> _Demand:
    kinds = [spec.type_p for spec in streams]
    return _Demand(
        sources=_sources([spec.destination for spec in streams]),
        packets_per_s=_rates([spec.interval_ms for spec in streams]),
        packet_bytes=np.array([packet_bytes(kind) for kind in kinds], np.int64),
        port=np.array([kind.destination_port or 0 for kind in kinds], np.int64),
        protocol=np.array([kind.protocol for kind in kinds], np.str_),
        rule=np.full(len(streams), "", np.object_),
        factor=np.ones(len(streams)),
    )


def _rates(interval_ms: Sequence[float]) -> NDArray[np.float64]:
    """Return probes per second; 0 for an interval that has no finite rate."""
    interval = np.array(interval_ms, np.float64)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        rate = 1000.0 / interval
    return np.where((rate > 0) & np.isfinite(rate), rate, 0.0)


def _sources(addresses: Sequence[str]) -> Sources:
    """Return addresses as columns; what is not an address is 0.0.0.0, which the policy refuses."""
    rows = np.zeros((len(addresses), 28), np.uint8)
    for index, address in enumerate(addresses):
        try:
            rows[index] = pack_address(address, 1)
        except OSError:
            rows[index] = pack_address("0.0.0.0", 1)  # noqa: S104 - a destination, not bound
    return read_sources(rows)


def _refuse(policy: Policy, demand: _Demand) -> None:
    where = demand.sources
    # What no cap can be held to: a rate that is no number exceeds every one.
    demand.refuse(demand.packets_per_s == 0, "policy.max_packets_per_s")
    demand.refuse(policy.denies(where), "policy.denied_destinations")
    demand.refuse(~policy.allows(where), "policy.destinations")
    demand.refuse(~np.isin(demand.protocol, policy.config.protocols), "policy.protocols")
    demand.refuse((demand.port > 0) & ~policy.ports[demand.port], "policy.ports")
    demand.refuse(demand.packet_bytes > policy.config.max_packet_bytes, "policy.max_packet_bytes")


def _slow(policy: Policy, demand: _Demand) -> None:
    """Slow what runs until every cap holds; of two caps the stricter names itself."""
    config = policy.config
    where = np.stack([demand.sources.high, demand.sources.low], axis=1)
    _, group = np.unique(where, axis=0, return_inverse=True)
    packets, bits = config.max_packets_per_s_per_destination, config.max_bits_per_s_per_destination
    _slow_to(demand, group.reshape(-1), packets, bits, _PER_DESTINATION)
    everything = np.zeros(len(group), np.int64)
    _slow_to(demand, everything, config.max_packets_per_s, config.max_bits_per_s, _IN_ALL)
    too_slow = demand.packets_per_s * demand.factor < 1000.0 / _SLOWEST_MS
    for rule in set(demand.rule[too_slow]):
        demand.refuse(too_slow & (demand.rule == rule), rule)


def _slow_to(
    demand: _Demand,
    group: NDArray[np.int64],
    packets: float,
    bits: float,
    rules: tuple[PolicyRule, PolicyRule],
) -> None:
    """Slow each group to a rate of packets and of bits, by the first and the second of `rules`."""
    if not len(group):
        return
    asked = demand.packets_per_s * demand.factor
    with np.errstate(divide="ignore"):
        by_packets = np.minimum(1.0, packets / np.bincount(group, asked))[group]
        by_bits = np.minimum(1.0, bits / np.bincount(group, asked * demand.packet_bytes * 8))[group]
    stricter = by_bits < by_packets
    demand.slow(np.where(stricter, 1.0, by_packets), rules[0])
    demand.slow(np.where(stricter, by_bits, 1.0), rules[1])


def _outcome(
    streams: tuple[StreamSpec, ...], demand: _Demand
) -> tuple[tuple[StreamSpec, ...], tuple[CurtailedStream, ...]]:
    """Return the streams that run, slowed where they must be, and what was curtailed."""
    running, curtailed = list(streams), []
    for index in np.flatnonzero(demand.factor < 1):
        spec, factor = streams[index], float(demand.factor[index])
        interval_ms = spec.interval_ms / factor if factor else None
        action: Literal["refused", "throttled"] = "throttled" if factor else "refused"
        if interval_ms is not None:
            running[index] = msgspec.structs.replace(spec, interval_ms=interval_ms)
        curtailed.append(
            CurtailedStream(
                stream_id=spec.stream_id,
                rule=demand.rule[index],
                action=action,
                interval_ms=interval_ms,
            )
        )
    keep = demand.factor > 0
    return tuple(spec for spec, kept in zip(running, keep, strict=True) if kept), tuple(curtailed)


def _reflectors(
    policy: Policy, wanted: tuple[ReflectorSpec, ...]
) -> tuple[tuple[ReflectorSpec, ...], tuple[Silence, ...]]:
    """Return the reflectors with the senders that may be answered, and refused ones by rule."""
    silent: list[Silence] = []
    allowed: list[ReflectorSpec] = []
    for spec in wanted:
        rule = _place_rule(policy, spec)
        if rule is None and len(allowed) >= policy.config.reflector.max_addresses:
            rule = "policy.reflector.max_addresses"
        if rule is not None:
            silent.append(Silence(spec.address, spec.port, rule, spec.peers))
            continue
        kept, lost = _senders(policy, spec.peers)
        silent += [
            Silence(spec.address, spec.port, name, tuple(senders)) for name, senders in lost.items()
        ]
        if kept or not spec.peers:
            allowed.append(msgspec.structs.replace(spec, peers=kept))
    return tuple(allowed), tuple(silent)


def _senders(
    policy: Policy, peers: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[PolicyRule, list[str]]]:
    """Return whom the reflector may answer, and whom it may not by rule."""
    networks = [_network(peer) for peer in peers]
    where = _sources([peer.partition("/")[0] for peer in peers])
    inside = policy.allows(where) & ~policy.denies(where)
    kept: list[str] = []
    lost: dict[PolicyRule, list[str]] = {}
    rule: PolicyRule | None
    for peer, network, yes in zip(peers, networks, inside, strict=True):
        if network is None or network.num_addresses == 1:
            rule = None if yes else "policy.destinations"
        elif not policy.config.reflector.open:
            rule = "policy.reflector.open"
        else:
            rule = None if policy.allows_all_of(network) else "policy.destinations"
        if rule is not None:
            lost.setdefault(rule, []).append(peer)
        else:
            kept.append(peer)
    return tuple(kept), lost


def _network(peer: str) -> Network | None:
    try:
        return read_prefix(peer, host_bits=True)
    except AddressError:
        return None


def _place_rule(policy: Policy, spec: ReflectorSpec) -> PolicyRule | None:
    if not policy.config.reflector.enabled:
        return "policy.reflector.enabled"
    return None if policy.reflector_ports[spec.port] else "policy.reflector.ports"

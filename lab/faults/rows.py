"""The faults: what is done to the fleet, and what must be true of the counts beside the balance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foundation.text import Text
from lab.faults.disks import agent_disk, controller_disk, damaged_spool, delivered_from_memory
from lab.faults.probes import forged_probes
from lab.faults.result import Result
from lab.faults.sites import ADDRESSES, PROBES_PER_S
from lab.faults.stage import Stage
from lab.faults.trust import (
    expired,
    foreign_certificate,
    forged_batches,
    forged_plan,
    impostor,
    replayed,
    revoked,
)

_FAR_NS = 3_600_000_000_000  # an hour
_SHORT_SPOOL = "[spool]\nmax_age_s = 4.0\n"
_SOON_US = 3.1e8  # ahead by little more than a controller allows: it passes
_WEEKS_NS = 20 * 86_400_000_000_000
_STRICT = """
[policy]
max_packets_per_s_per_destination = 10.0
protocols = ["udp"]
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """`act(stage, rounds)` starts the fleet, does it harm and says what it did; `problems` looks at
    the counts. `rounds` is how often the harm is done in a long run and in a short one."""

    name: str
    title: Text
    act: Callable[[Stage, int], Text]
    problems: Callable[[Result], Sequence[str]] = lambda _: ()
    rounds: int = 4
    few_rounds: int = 3
    losses: tuple[str, ...] = ()  # reasons for which anything may be dropped at all
    cut_off_s: float = 3.0  # what a kill may cost: the open window, its wait, the way to the disk


def _calm(stage: Stage, rounds: int) -> Text:
    stage.begin()
    stage.pause(0.5 * rounds)
    return Text("nothing", "无")


def _controller_killed(stage: Stage, rounds: int) -> Text:
    stage.begin()
    for _ in range(rounds):
        stage.pause(0.5, 3.0)
        stage.controller.kill()
        stage.pause(0.1, 1.5)
        stage.controller.start()
    return Text(f"{rounds} × kill -9", f"kill -9 {rounds} 次")


def _agent_killed(stage: Stage, rounds: int) -> Text:
    stage.begin()
    for _ in range(rounds):
        stage.pause(0.5, 2.5)
        name = stage.random.choice(sorted(ADDRESSES))
        stage.agents.kill(name)
        stage.pause(0.0, 0.5)
        stage.agents.start(name)
    return Text(f"{rounds} × kill -9", f"kill -9 {rounds} 次")


def _link_cut(stage: Stage, rounds: int) -> Text:
    stage.begin()
    for _ in range(rounds):
        stage.pause(0.5, 2.0)
        stage.cut(True)
        stage.pause(1.0, 3.0)
        stage.cut(False)
    return Text(f"{rounds} × 1–3 s", f"中断 {rounds} 次，每次 1–3 秒")


def _storm(stage: Stage, rounds: int) -> Text:
    """Everything at once, as it comes."""
    stage.begin()
    for _ in range(2 * rounds):
        stage.pause(0.2, 1.5)
        stage.do_harm_once()
    return Text(f"{2 * rounds} kills and cuts", f"强制终止与中断共 {2 * rounds} 次")


def _agent_clock(stage: Stage, rounds: int) -> Text:
    """Step while it runs, and start with a clock that is further ahead than is taken."""
    stage.begin()
    for number in range(rounds):
        stage.agents.extra["nanjing"] = f"[clock]\ntimestamp_shift_us = {(-1) ** number * 20e6}\n"
        stage.agents.reload("nanjing")
        stage.pause(0.5, 2.0)
    stage.agents.stop("nanjing")
    stage.agents.extra["nanjing"] = f"[clock]\ntimestamp_shift_us = {_SOON_US}\n"
    stage.agents.start("nanjing")
    stage.pause(4.0)
    stage.agents.stop("nanjing")
    stage.agents.extra["nanjing"] = ""
    stage.agents.start("nanjing")
    return Text(f"{rounds} × ±20 s, once +310 s", f"±20 秒 {rounds} 次，+310 秒一次")


def _controller_clock(stage: Stage, rounds: int) -> Text:
    stage.begin()
    for number in range(rounds):
        stage.clock_shift.write_text(str((-1) ** number * _FAR_NS), encoding="ascii")
        stage.pause(1.5, 2.5)
    stage.clock_shift.write_text(str(_WEEKS_NS), encoding="ascii")
    stage.pause(1.5, 2.5)
    stage.clock_shift.unlink()
    return Text(f"{rounds} × ±1 h, once +20 d", f"±1 小时 {rounds} 次，+20 天一次")


def _long_outage(stage: Stage, rounds: int) -> Text:
    """Longer than the spool keeps windows: the oldest go, and are told."""
    stage.agents.extra = dict.fromkeys(ADDRESSES, _SHORT_SPOOL)
    stage.begin()
    stage.controller.kill()
    stage.pause(3.0 * rounds)
    stage.controller.start()
    return Text(f"{3 * rounds} s away, kept 4 s", f"离线 {3 * rounds} 秒，缓存 4 秒")


def _beyond_policy(stage: Stage, rounds: int) -> Text:
    stage.agents.policy = dict.fromkeys(ADDRESSES, _STRICT)
    stage.begin()
    rate = stage.rate_on_the_wire(float(rounds))
    allowed = 10.0 * len(ADDRESSES) * (len(ADDRESSES) - 1)
    asked = PROBES_PER_S * len(ADDRESSES)
    if rate > allowed * 1.1:
        stage.problems.append(f"{rate:.0f} probes/s on the wire, {allowed:.0f}/s are allowed")
    return Text(
        f"{rate:.0f}/s of {asked}/s, limit {allowed:.0f}/s",
        f"计划 {asked}/s，限 {allowed:.0f}/s，实发 {rate:.0f}/s",
    )


FAULTS: tuple[Fault, ...] = (
    Fault("calm", Text("none", "无故障"), _calm),
    Fault("controller-killed", Text("controller killed", "强制终止控制器"), _controller_killed),
    Fault("agent-killed", Text("agent killed", "强制终止探针"), _agent_killed, losses=("cut_off",)),
    Fault("link-cut", Text("link cut", "链路中断"), _link_cut),
    Fault("storm", Text("all of these", "以上交替"), _storm, few_rounds=2, losses=("cut_off",)),
    Fault("agent-clock", Text("agent's clock", "探针时钟跳变"), _agent_clock),
    Fault(
        "controller-clock",
        Text("controller's clock", "控制器时钟跳变"),
        _controller_clock,
    ),
    Fault(
        "agent-disk",
        Text("agent's disk full", "探针磁盘写满"),
        agent_disk,
        losses=("disk", "cut_off"),
        cut_off_s=20.0,  # and what was kept in memory
    ),
    Fault("controller-disk", Text("controller's disk full", "控制器磁盘写满"), controller_disk),
    Fault(
        "from-memory",
        Text("delivered from memory", "由内存补传"),
        delivered_from_memory,
        losses=("cut_off", "disk"),
        cut_off_s=20.0,  # and what was kept in memory
    ),
    Fault(
        "damaged-spool",
        Text("spool damaged", "缓存损坏"),
        damaged_spool,
        lambda result: () if "damaged" in result.by_reason else ("no damage was noticed",),
        losses=("cut_off", "damaged"),
    ),
    Fault(
        "long-outage",
        Text("outage beyond spool", "离线超出缓存"),
        _long_outage,
        lambda result: () if result.dropped.probes else ("nothing was dropped",),
        losses=("too_old",),
    ),
    Fault("expired", Text("certificate expired", "证书过期"), expired),
    Fault("revoked", Text("certificate revoked", "证书吊销"), revoked),
    Fault("foreign", Text("agent of wrong CA", "探针证书非本 CA"), foreign_certificate),
    Fault("impostor", Text("controller of wrong CA", "控制器证书非本 CA"), impostor),
    Fault(
        "replayed",
        Text("batch replayed", "重放数据"),
        replayed,
        lambda result: () if result.duplicates else ("no replay was noticed",),
    ),
    Fault("forged-batch", Text("batch forged", "伪造数据"), forged_batches),
    Fault("forged-probe", Text("probes forged", "伪造探测"), forged_probes),
    Fault("forged-plan", Text("plan forged", "伪造计划"), forged_plan),
    Fault(
        "beyond-policy",
        Text("plan beyond policy", "计划超出策略"),
        _beyond_policy,
        lambda result: () if result.curtailed else ("nothing was curtailed",),
    ),
)

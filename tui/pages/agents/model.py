"""The agents view: who measures, how fresh and how trustworthy. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tui import documents as doc
from tui.figures import ABSENT, age, count, delay, ratio, size_bytes
from tui.fleet import Fleet
from tui.palette import AGENT_SIGNS, sign
from tui.rows import Column, Spans, plain
from tui.words import Words

COLUMNS = (
    Column(key="state", title="State", width=10, stretch=1, most=14),
    Column(key="name", title="Agent", width=16, stretch=2, most=24),
    Column(key="title", title="Site", width=14, rank=3, stretch=2, most=30),
    Column(key="seen", title="Seen", width=8, align="right"),
    Column(key="window", title="Window", width=8, align="right", rank=2),
    Column(key="plan", title="Plan", width=6, align="right"),
    Column(key="streams", title="Streams", width=7, align="right", rank=4),
    Column(key="timestamping", title="Timestamp", width=9, rank=1),
    Column(key="clock", title="Clock ±", width=10, align="right"),
    Column(key="source", title="Clock source", width=12, rank=6),
    Column(key="spool", title="Spool", width=9, align="right", rank=1),
    Column(key="windows", title="Windows", width=10, align="right", rank=5),
    Column(key="cpu", title="CPU", width=7, align="right", rank=7),
    Column(key="memory", title="Memory", width=8, align="right", rank=7),
    Column(key="conditions", title="Conditions", width=20, rank=8, stretch=4, most=60),
)
TIMESTAMPINGS = {"none": "none", "user": "user", "kernel": "kernel", "hardware": "hardware"}
_ORDER = {"agent_down": 0, "no_data": 1, "late": 2, "never_seen": 3, "maintenance": 4, "ok": 5}


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent as a table row; `now_ns` is the controller's clock."""

    agent: doc.Agent
    now_ns: int | None

    @property
    def key(self) -> str:
        """The agent's name."""
        return self.agent.name


def rows(fleet: Fleet) -> tuple[AgentRow, ...]:
    """Return one row per agent, those in trouble first."""
    ordered = sorted(fleet.agents, key=lambda agent: (_ORDER.get(agent.state, 0), agent.name))
    return tuple(AgentRow(agent, fleet.health.now_ns) for agent in ordered)


def cell(row: AgentRow, column: str, fleet: Fleet, words: Words) -> Spans:
    """Return what `column` of `row` says."""
    agent = row.agent
    if column == "state":
        look = sign(agent.state, AGENT_SIGNS)
        return plain(f"{look.symbol} {words(look.word)}", look.tone)
    if column == "name":
        return plain(agent.name, "strong")
    if column == "title":
        return plain(fleet.site_title(agent.name, words.language))
    if column == "seen":
        return plain(age(agent.last_seen_ns, row.now_ns))
    if column == "window":
        return plain(age(agent.last_window_ns, row.now_ns))
    if column == "windows":
        return plain(count(agent.windows_stored))
    if column == "plan":
        return _plan(agent)
    if agent.health is None:
        return plain(ABSENT, "dim")
    if column == "clock":
        return _clock(agent, agent.health, words)
    return _health_cell(agent.health, column, words)


def _plan(agent: doc.Agent) -> Spans:
    version, wanted = agent.plan_version, agent.wanted_plan_version
    if version is None:
        return plain(ABSENT, "dim")
    if wanted is not None and wanted != version:
        return plain(f"{version}→{wanted}", "doubt")
    return plain(str(version))


def _clock(agent: doc.Agent, health: doc.AgentHealth, words: Words) -> Spans:
    """Return the bound that the agent claims, or how far off the mesh finds its clock instead."""
    if agent.clock is not None and agent.clock.suspected:
        return plain(f"✗ {_signed(agent.clock.offset_ns)}", "bad")
    if health.clock_bound_ns is None:
        return plain(words("unknown"), "doubt")
    return plain(f"± {delay(health.clock_bound_ns)}")


def _signed(offset_ns: float | None) -> str:
    return f"{'+' if offset_ns is not None and offset_ns > 0 else ''}{delay(offset_ns)}"


def _health_cell(health: doc.AgentHealth, column: str, words: Words) -> Spans:
    if column == "streams":
        return plain(count(health.streams))
    if column == "timestamping":
        tone = "plain" if health.timestamping in ("kernel", "hardware") else "doubt"
        return plain(words(TIMESTAMPINGS.get(health.timestamping or "none", "none")), tone)
    if column == "source":
        return plain(health.clock_source or ABSENT, "dim")
    if column == "spool":
        dropped = health.spool_dropped_windows or 0
        return plain(size_bytes(health.spool_bytes), "bad" if dropped else "plain")
    if column == "cpu":
        return plain(ratio(health.cpu_ratio, 1))
    if column == "memory":
        return plain(size_bytes(health.resident_bytes))
    return conditions(health, words)


def conditions(health: doc.AgentHealth, words: Words) -> Spans:
    """Return the worst condition, with how many there are."""
    if not health.conditions:
        return plain(words("none"), "dim")
    worst = min(
        health.conditions,
        key=lambda entry: {"error": 0, "warning": 1}.get(entry.severity, 2),
    )
    tone = {"error": "bad", "warning": "doubt"}.get(worst.severity, "plain")
    more = f" (+{len(health.conditions) - 1})" if len(health.conditions) > 1 else ""
    return plain(f"{worst.text.pick(words.language) or worst.code}{more}", tone)


def clock_lines(clock: doc.SiteClock | None, words: Words) -> list[Spans]:
    """Return what the other sites say of this clock, and from how many triangles."""
    if clock is None or clock.offset_ns is None:
        return []
    where = {
        "offset": _signed(clock.offset_ns),
        "error": delay(clock.error_ns),
        "pairs": count(clock.pairs),
        "triangles": count(clock.triangles),
    }
    if clock.suspected:
        said = words(
            "Clock suspected: {offset} ± {error} off, by {pairs} sites in {triangles} triangles. "
            "No one-way verdict is based on it.",
            **where,
        )
        return [plain(f"✗ {said}", "bad")]
    said = words(
        "Clock by the mesh: {offset} ± {error}, by {pairs} sites in {triangles} triangles.", **where
    )
    return [plain(said, "dim")]


def detail(fleet: Fleet, row: AgentRow, words: Words) -> list[Spans]:
    """Return the lines about the agent under the cursor: every condition in full."""
    agent = row.agent
    title = fleet.site_title(agent.name, words.language)
    version = agent.health.version if agent.health else None
    lines: list[Spans] = [((f"{agent.name}  ", "head"), (title, "plain"))]
    if agent.health is None:
        lines.append(plain(words("This agent has not reported its health yet."), "doubt"))
        return lines
    waiting, dropped = agent.health.spool_chunks, agent.health.spool_dropped_windows
    lines.append(
        (
            (words("version {version}", version=version or ABSENT), "plain"),
            (f" · {words.counted(waiting, '{n} chunks in the spool', n=count(waiting))}", "plain"),
            (
                f" · {words.counted(dropped, '{n} windows dropped', n=count(dropped))}",
                "bad" if dropped else "plain",
            ),
        )
    )
    lines += clock_lines(agent.clock, words)
    if not agent.health.conditions:
        lines.append(plain(words("No conditions reported."), "dim"))
    for condition in agent.health.conditions:
        tone = {"error": "bad", "warning": "doubt"}.get(condition.severity, "plain")
        mark = {"error": "✗", "warning": "▲"}.get(condition.severity, "·")
        lines.append(plain(f"{mark} {condition.text.pick(words.language) or condition.code}", tone))
    return lines

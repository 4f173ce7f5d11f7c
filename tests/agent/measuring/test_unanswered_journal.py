"""An agent tells whom it does not answer, why and since when: also of the time it was not there."""

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from agent.conditions import Conditions
from agent.measuring.measuring import Measuring
from agent.measuring.unanswered_journal import MOST_OVER, Silence, UnansweredJournal
from agent.policy.policy import Policy, PolicyConfig, ReflectorPolicyConfig
from agent.spool.sent_counters import SentCounters
from messages.exchange import Plan, StampKeys, Unanswered
from probes.reflector.spec import ReflectorSpec

SECOND = 1_000_000_000


class HandClock:
    def __init__(self) -> None:
        self.now_ns = 1_800_000_000 * SECOND

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_what_begins_and_ends_is_told_with_its_times(tmp_path: Path, clock: HandClock) -> None:
    journal = UnansweredJournal(tmp_path / "j.json", clock)
    off = Silence("192.0.2.1", 862, "policy.reflector.enabled", ("192.0.2.2",))
    journal.note([off], began_ns=clock.now_ns - SECOND)
    (entry,) = journal.entries()
    assert (entry.from_ns, entry.to_ns) == (clock.now_ns - SECOND, None)
    clock.now_ns += 10 * SECOND
    journal.note([])
    (entry,) = UnansweredJournal(tmp_path / "j.json", clock).entries()
    assert entry.to_ns == clock.now_ns
    assert entry.senders == ("192.0.2.2",)


@pytest.mark.parametrize(
    ("stopped", "rule"), [(True, "agent.stopped"), (False, "agent.restarting")]
)
def test_nothing_was_answered_between_an_end_and_the_next_start(
    tmp_path: Path, clock: HandClock, stopped: bool, rule: str
) -> None:
    sent_counters = SentCounters(tmp_path / "sent_counters")
    sent_counters.alive(clock.now_ns)
    if stopped:
        sent_counters.close()
    clock.now_ns += 60 * SECOND
    again = SentCounters(tmp_path / "sent_counters")
    journal = UnansweredJournal(tmp_path / "j.json", clock)
    journal.resume([("192.0.2.1", 862)], again.was_alive_ns, stopped=again.was_clean)
    clock.now_ns += SECOND
    journal.note([])
    (entry,) = journal.entries()
    assert (entry.rule, entry.senders) == (rule, ())
    assert entry.to_ns is not None
    assert entry.to_ns - entry.from_ns == 61 * SECOND


@pytest.mark.parametrize("days", [1, -1, 20, 400])
def test_what_was_not_answered_is_told_though_the_clock_is_wrong_at_boot(
    tmp_path: Path, clock: HandClock, days: int
) -> None:
    off = Silence("192.0.2.1", 862, "policy.reflector.enabled")
    journal = UnansweredJournal(tmp_path / "j.json", clock)
    journal.note([off])
    clock.now_ns += 10 * SECOND
    journal.note([])
    told = journal.entries()
    clock.now_ns += days * 86_400 * SECOND
    again = UnansweredJournal(tmp_path / "j.json", clock)
    again.note([off])
    again.note([])
    clock.now_ns -= days * 86_400 * SECOND
    assert UnansweredJournal(tmp_path / "j.json", clock).entries()[:1] == told


def test_journal_is_bounded_and_a_damaged_one_is_begun_anew(
    tmp_path: Path, clock: HandClock
) -> None:
    path = tmp_path / "j.json"
    path.write_bytes(b'[{"address": 1}')
    journal = UnansweredJournal(path, clock)
    for _ in range(2 * MOST_OVER):
        journal.note([Silence("192.0.2.1", 862, "reflector.key")])
        clock.now_ns += SECOND
        journal.note([])
        clock.now_ns += SECOND
    assert len(journal.entries()) == MOST_OVER
    journal.note([Silence("192.0.2.1", 862, "reflector.key")])
    assert len(journal.entries()) == MOST_OVER + 1  # and the one that continues
    assert len(msgspec.json.decode(path.read_bytes())) == MOST_OVER + 1


def test_unwritable_journal_is_told_all_the_same(tmp_path: Path, clock: HandClock) -> None:
    journal = UnansweredJournal(tmp_path / "not there" / "j.json", clock)
    journal.note([Silence("192.0.2.1", 862, "reflector.key")])
    assert [entry.rule for entry in journal.entries()] == ["reflector.key"]


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


async def not_answered(
    tmp_path: Path,
    clock: HandClock,
    plan: Plan,
    policy: PolicyConfig,
    keys: StampKeys | None = None,
) -> tuple[Unanswered, ...]:
    """Return what an agent with this policy reports about a plan, and stop it."""
    sent_counters = SentCounters(tmp_path / "sent_counters")

    async def settled() -> None:
        return None

    measuring = Measuring(
        on_windows=lambda batch, version: None,
        clock=clock,
        own_clock_bound_ns=lambda: 0.0,
        timestamp_shift_ns=0,
        conditions=Conditions(),
        policy=Policy(policy),
        sent_counters=sent_counters,
        settle=settled,
        journal=UnansweredJournal(None, clock),
    )
    await measuring.apply(plan, keys)
    told = measuring.curtailed()
    await measuring.stop()
    sent_counters.close()
    assert told is not None
    assert told.plan_version == plan.version
    return told.unanswered


def plan_of(port: int, *peers: str, authenticated: tuple[str, ...] = ()) -> Plan:
    place = ReflectorSpec(
        address="127.0.0.1", port=port, peers=peers, authenticated=authenticated or msgspec.UNSET
    )
    return Plan(version=3, agent="a", reflectors=(place,))


LOOPBACK = PolicyConfig(destinations=("127.0.0.0/8",))


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        ({"reflector": ReflectorPolicyConfig(enabled=False)}, "policy.reflector.enabled"),
        ({"reflector": ReflectorPolicyConfig(ports=("862",))}, "policy.reflector.ports"),
        ({"destinations": ("192.0.2.0/24",)}, "policy.destinations"),
        ({"denied_destinations": ("127.0.0.2/32",)}, "policy.destinations"),
    ],
)
async def test_every_rule_of_the_owner_that_silences_a_reflector_is_told(
    tmp_path: Path, clock: HandClock, policy: dict[str, object], rule: str
) -> None:
    config = msgspec.structs.replace(LOOPBACK, **policy)
    told = await not_answered(tmp_path, clock, plan_of(free_port(), "127.0.0.2"), config)
    assert [(one.rule, one.senders, one.to_ns) for one in told] == [(rule, ("127.0.0.2",), None)]


async def test_prefix_that_only_an_open_reflector_answers_is_told(
    tmp_path: Path, clock: HandClock
) -> None:
    told = await not_answered(tmp_path, clock, plan_of(free_port(), "127.0.0.0/30"), LOOPBACK)
    assert [(one.rule, one.senders) for one in told] == [
        ("policy.reflector.open", ("127.0.0.0/30",))
    ]


async def test_port_in_use_is_told(tmp_path: Path, clock: HandClock) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        plan = plan_of(int(other.getsockname()[1]), "127.0.0.2")
        told = await not_answered(tmp_path, clock, plan, LOOPBACK)
    assert [(one.rule, one.senders) for one in told] == [
        ("reflector.not_listening", ("127.0.0.2",))
    ]


async def test_sender_whose_key_is_missing_is_told(tmp_path: Path, clock: HandClock) -> None:
    port, key = free_port(), bytes(32)
    plan = plan_of(port, "127.0.0.2", "127.0.0.3", authenticated=("127.0.0.2", "127.0.0.3"))
    keys = StampKeys(epoch=1, answering={"127.0.0.3": (key,)})
    told = await not_answered(tmp_path, clock, plan, LOOPBACK, keys)
    assert [(one.rule, one.senders) for one in told] == [("reflector.key", ("127.0.0.2",))]


async def test_reflector_that_answers_everybody_tells_of_nobody(
    tmp_path: Path, clock: HandClock
) -> None:
    assert await not_answered(tmp_path, clock, plan_of(free_port(), "127.0.0.2"), LOOPBACK) == ()


async def test_limit_that_turned_requests_away_is_told_until_it_rests(
    tmp_path: Path, clock: HandClock
) -> None:
    port, sent_counters = free_port(), SentCounters(tmp_path / "sent_counters")

    async def settled() -> None:
        return None

    limited = ReflectorPolicyConfig(max_packets_per_s=1, max_packets_per_s_per_source=1)
    measuring = Measuring(
        on_windows=lambda batch, version: None,
        clock=clock,
        own_clock_bound_ns=lambda: 0.0,
        timestamp_shift_ns=0,
        conditions=Conditions(),
        policy=Policy(msgspec.structs.replace(LOOPBACK, reflector=limited)),
        sent_counters=sent_counters,
        settle=settled,
        journal=UnansweredJournal(None, clock),
    )
    await measuring.apply(plan_of(port, "127.0.0.1"), None)

    def rules() -> list[tuple[str, bool]]:
        told = measuring.curtailed()
        assert told is not None
        return [(one.rule, one.to_ns is None) for one in told.unanswered]

    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for _ in range(50):
            sender.sendto(bytes(44), ("127.0.0.1", port))
    async with asyncio.timeout(60):
        while not rules():
            await measuring._look(retry=False)
            await asyncio.sleep(0.01)
    assert rules() == [("policy.reflector.max_packets_per_s", True)]
    async with asyncio.timeout(60):
        while rules()[-1][1]:  # some may be counted only now
            clock.now_ns += 60 * SECOND
            await measuring._look(retry=False)
            await asyncio.sleep(0.01)
    await measuring.stop()
    told = measuring.curtailed()
    assert told is not None
    assert [one.rule for one in told.unanswered if one.to_ns is None] == ["agent.stopped"]
    sent_counters.close()

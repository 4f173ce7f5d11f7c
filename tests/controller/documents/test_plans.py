"""Plans over time: versions, what changed between them, and numbers after a restored backup."""

import pathlib
from typing import Any

import msgspec

from controller.access.certificate_authority import create_authority
from controller.documents.plans import difference
from foundation.clock import SystemClock
from messages.enrolment import plan_message
from messages.exchange import Plan, PlanPush
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, TypeP

PLANS = "/api/v1/agents/nanjing/plans"


def stream(number: int, interval_ms: float = 1000.0) -> StreamSpec:
    return StreamSpec(
        stream_id=number,
        destination="192.0.2.2",
        type_p=TypeP(protocol="icmp", ip_version=4),
        interval_ms=interval_ms,
    )


def test_difference_tells_streams_and_peers_apart() -> None:
    one = ReflectorSpec(address="192.0.2.1", port=862, peers=("192.0.2.2", "192.0.2.3"))
    other = msgspec.structs.replace(one, peers=("192.0.2.3", "192.0.2.4"))
    before = Plan(version=1, agent="a", streams=(stream(1), stream(2)), reflectors=(one,))
    after = Plan(
        version=3,
        agent="a",
        window_ms=5000,
        streams=(stream(2, 500.0), stream(3)),
        reflectors=(other,),
    )
    found = difference(before, after)
    assert (found.version, found.against) == (3, 1)
    assert (found.window_ms_before, found.window_ms) == (10_000, 5000)
    assert [spec.stream_id for spec in found.streams_added] == [3]
    assert [spec.stream_id for spec in found.streams_removed] == [1]
    assert [(c.before.interval_ms, c.after.interval_ms) for c in found.streams_changed] == [
        (1000.0, 500.0)
    ]
    (reflector,) = found.reflectors
    assert (reflector.peers_added, reflector.peers_removed) == (["192.0.2.4"], ["192.0.2.2"])


def test_same_plan_has_no_difference() -> None:
    plan = Plan(version=2, agent="a", streams=(stream(1),))
    found = difference(plan, plan)
    changes = (found.streams_added, found.streams_removed, found.streams_changed, found.reflectors)
    assert changes == ([], [], [], [])


def move_the_landmark(site_file: pathlib.Path) -> None:
    text = site_file.read_text(encoding="utf-8")
    site_file.write_text(text.replace("192.0.2.3", "192.0.2.9"), encoding="utf-8")


async def test_history_grows_when_the_network_does(
    open_controller: Any, site_file: pathlib.Path
) -> None:
    async with open_controller() as first:
        assert [item["version"] for item in (await first.get(PLANS))["items"]] == [1]
        whole = await first.get(f"{PLANS}/1/diff")
        assert (whole["against"], whole["version"]) == (0, 1)
        assert len(whole["streams_added"]) == len(
            first.services.distribution.plans["nanjing"].streams
        )
    move_the_landmark(site_file)
    async with open_controller() as second:
        page = await second.get(f"{PLANS}?limit=1")
        assert [item["version"] for item in page["items"]] == [2]
        rest = await second.get(f"{PLANS}?after={page['next']}")
        assert [item["version"] for item in rest["items"]] == [1]
        assert rest["next"] is None
        changed = await second.get(f"{PLANS}/2/diff")
        assert {spec["destination"] for spec in changed["streams_added"]} == set()
        moved = {
            (item["before"]["destination"], item["after"]["destination"])
            for item in changed["streams_changed"]
        }
        assert moved == {("192.0.2.3", "192.0.2.9")}
        back = await second.get(f"{PLANS}/1/diff?against=2")
        assert back["streams_changed"][0]["after"]["destination"] == "192.0.2.3"
        plan = await second.get(f"{PLANS}/2")
        assert msgspec.convert(plan["plan"], Plan) == second.services.distribution.plans["nanjing"]
        for address in (f"{PLANS}/3", f"{PLANS}/x", f"{PLANS}/1/diff?against=7"):
            assert (await second.get(address, 404))["error"]["code"] == "unknown_plan"


async def test_agent_beyond_a_restored_controller_gets_a_higher_number(controller: Any) -> None:
    state = controller.services
    await state.distribution.outnumber("nanjing", 1)
    await state.distribution.outnumber("nanjing", None)
    assert state.distribution.plans["nanjing"].version == 1
    await state.distribution.outnumber("nanjing", 7)
    assert state.distribution.plans["nanjing"].version == 8
    assert [item["version"] for item in (await controller.get(PLANS))["items"]] == [8, 1]


async def test_push_is_signed_over_the_bytes_that_are_sent(
    controller: Any, tmp_path: pathlib.Path
) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    state = controller.services
    assert msgspec.json.decode(state.distribution.message("nanjing"), type=PlanPush).signature == ""
    authority = state.distribution.authority = create_authority(
        tmp_path / "k", ["localhost"], SystemClock()
    )
    push = msgspec.json.decode(state.distribution.message("nanjing"))
    raw = msgspec.json.encode(state.distribution.plans["nanjing"])
    assert raw.decode() in state.distribution.message("nanjing")
    key = bytes.fromhex(authority.plan_public_key)
    ed25519.Ed25519PublicKey.from_public_bytes(key).verify(
        bytes.fromhex(push["signature"]), plan_message(raw)
    )

"""Keys of authenticated streams: told beside plans, when they can be used, and nowhere else."""

import contextlib
import json
import pathlib
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.plan.gate import PlanGate
from controller.access.certificate_authority import create_authority
from controller.access.stamp_keyring import StampKeyring, pair_key
from foundation.clock import SystemClock
from messages.exchange import (
    SCHEMA_VERSION,
    ControlFromController,
    Health,
    HealthReport,
    Hello,
    PlanPush,
    StampKeys,
)

NANJING, SUZHOU = ("192.0.2.1", "198.51.100.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2")


@pytest.fixture
def site_file(site_file: pathlib.Path) -> pathlib.Path:
    text = site_file.read_text(encoding="utf-8")
    text = text.replace(
        'destinations = "agents" }', 'destinations = "agents", authenticated = true }'
    )
    site_file.write_text(text, encoding="utf-8")
    return site_file


@pytest.fixture(autouse=True)
def pushed_on_reports_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.api.routes.control.LOOK_S", 3600.0)


class Agent:
    """An agent's side of the control channel."""

    def __init__(self, socket: Any, name: str) -> None:
        self.socket, self.name = socket, name
        self.pushes: list[PlanPush] = []

    async def hello(self) -> StampKeys:
        hello = Hello(schema=SCHEMA_VERSION, agent=self.name, health=self.health(None))
        await self.socket.send_str(msgspec.json.encode(hello).decode())
        return await self.hear()

    async def hear(self) -> StampKeys:
        push = msgspec.json.decode(await self.socket.receive_str(), type=ControlFromController)
        assert isinstance(push, PlanPush)
        self.pushes.append(push)
        assert isinstance(push.keys, StampKeys)
        return push.keys

    async def report(self, epoch: int | None, **more: Any) -> None:
        health = msgspec.structs.replace(self.health(epoch), **more)
        await self.socket.send_str(msgspec.json.encode(HealthReport(health=health)).decode())

    async def ask(self, epoch: int) -> StampKeys:
        """Report, and have the plan told whether it is new or not."""
        await self.report(epoch, plan_version=0)
        return await self.hear()

    def health(self, epoch: int | None) -> Health:
        return Health(
            version="0",
            boot="b0b0b0b0",
            started_ns=1,
            sent_ns=2,
            plan_version=self.pushes[-1].plan.version if self.pushes else None,
            stamp_epoch=msgspec.UNSET if epoch is None else epoch,
        )


@contextlib.asynccontextmanager
async def speaking(controller: Any, name: str) -> Any:
    address = f"http://controller/api/v1/agents/{name}/control"
    async with controller.session.ws_connect(address) as socket:
        yield Agent(socket, name)


async def test_keys_come_when_peers_hold_theirs_and_change_without_a_gap(controller: Any) -> None:
    keyring: StampKeyring = controller.services.stamp_keyring
    async with speaking(controller, "nanjing") as one, speaking(controller, "suzhou") as other:
        first = await one.hello()
        (secret,) = (epoch.secret for epoch in keyring.epochs())
        assert (first.epoch, first.probing) == (1, {})
        to_nanjing, to_suzhou = (
            pair_key(secret, *pair) for pair in (("suzhou", "nanjing"), ("nanjing", "suzhou"))
        )
        assert first.answering == dict.fromkeys(SUZHOU, (to_nanjing,))
        assert (await one.ask(1)).probing == {}
        told = await other.hello()
        assert told.probing == dict.fromkeys(NANJING, to_nanjing)
        assert told.answering == dict.fromkeys(NANJING, (to_suzhou,))
        await other.ask(1)
        assert (await one.ask(1)).probing == dict.fromkeys(SUZHOU, to_suzhou)
        assert keyring.rotate() == 2
        new = pair_key(keyring.epochs()[-1].secret, "nanjing", "suzhou")
        changed = await one.ask(1)  # it probes on under the old key, and answers to both
        assert changed.probing == dict.fromkeys(SUZHOU, to_suzhou)
        assert {len(keys) for keys in changed.answering.values()} == {2}
        assert (await other.ask(1)).answering == dict.fromkeys(NANJING, (new, to_suzhou))
        await other.ask(2)
        assert (await one.ask(2)).probing == dict.fromkeys(SUZHOU, new)


async def test_what_is_the_same_is_not_told_again(controller: Any) -> None:
    async with speaking(controller, "nanjing") as agent:
        await agent.hello()
        for epoch in (1, 1, 1, None):
            await agent.report(epoch)
        assert (await agent.ask(1)).epoch == 1
        agent.pushes.clear()
        await agent.report(1, plan_version=1)
        controller.services.stamp_keyring.rotate()
        await agent.report(1, plan_version=1)
        assert (await agent.hear()).epoch == 2  # the next thing it heard
    assert len(agent.pushes) == 1


async def test_what_a_hello_holds_is_not_believed(controller: Any) -> None:
    controller.services.stamp_keyring.rotate()
    hello = Hello(schema=SCHEMA_VERSION, agent="nanjing", health=Agent(None, "nanjing").health(1))
    async with speaking(controller, "nanjing") as agent:
        await agent.socket.send_str(msgspec.json.encode(hello).decode())
        await agent.hear()
    assert controller.services.stamp_keyring.holders() == {}


async def test_signature_covers_the_keys_and_the_agent_checks_it(
    controller: Any, tmp_path: pathlib.Path
) -> None:
    state = controller.services
    authority = state.distribution.authority = create_authority(
        tmp_path / "k", ["localhost"], SystemClock()
    )
    gate = PlanGate(lambda: authority.plan_public_key, lambda: None)
    data = state.distribution.message("nanjing")
    push = msgspec.json.decode(data, type=PlanPush)
    assert gate.problem(data, push) is None
    document = json.loads(data)
    source = next(iter(document["keys"]["answering"]))
    own = ed25519.Ed25519PrivateKey.generate()
    forgeries = []
    for change in (
        lambda d: d["keys"]["answering"].update({source: ["AAAAAAAAAAAAAAAAAAAAAA=="]}),
        lambda d: d["keys"].update(epoch=2),
        lambda d: d.pop("keys"),
        lambda d: d.update(signature=""),
        lambda d: d.update(signature=own.sign(b"x").hex()),
    ):
        forged = json.loads(data)
        change(forged)
        forgeries.append(json.dumps(forged, separators=(",", ":")))
    for text in forgeries:
        problem = gate.problem(text, msgspec.json.decode(text, type=PlanPush))
        assert problem is not None
        assert "not signed" in problem.en


async def test_plans_say_only_that_streams_are_authenticated_and_nothing_shows_a_key(
    controller: Any, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    keyring: StampKeyring = controller.services.stamp_keyring
    async with speaking(controller, "nanjing") as one, speaking(controller, "suzhou") as other:
        await one.hello()
        await one.ask(1)
        keys = await other.hello()
    secrets = [epoch.secret for epoch in keyring.epochs()]
    secrets += [*keys.probing.values(), *(key for each in keys.answering.values() for key in each)]
    plan = await controller.get("/api/v1/agents/suzhou/plans/1")
    udp = [each for each in plan["plan"]["streams"] if each["type_p"]["protocol"] == "udp"]
    assert {each["type_p"]["mode"] for each in udp} == {"authenticated"}
    assert plan["plan"]["reflectors"][0]["authenticated"]
    diff = await controller.get("/api/v1/agents/suzhou/plans/1/diff")
    assert diff["reflectors"][0]["authenticated_added"]
    streams = await controller.get("/api/v1/streams")
    assert any(each["type_p"].endswith("/hmac") for each in streams["items"])
    shown = [json.dumps(each) for each in (plan, diff, streams)]
    pages = "agents agents/suzhou/plans audit event-log health meshes paths"
    shown += [json.dumps(await controller.get(f"/api/v1/{path}")) for path in pages.split()]
    shown += [caplog.text, repr(keys), str(other.pushes), repr(keyring.epochs())]
    # The store's own files, whatever table or index it could be in.
    stored = b"".join(path.read_bytes() for path in (tmp_path / "life").glob("isochrone.db*"))
    for secret in secrets:
        for text in shown:
            assert secret.hex() not in text
            assert msgspec.json.encode(secret).decode().strip('"') not in text
        assert secret not in stored
        assert secret.hex().encode() not in stored
        assert msgspec.json.encode(secret).strip(b'"') not in stored


@pytest.fixture
def free_site_file(site_file: pathlib.Path) -> None:
    text = site_file.read_text(encoding="utf-8").replace(", authenticated = true", "")
    site_file.write_text(text, encoding="utf-8")


async def test_network_without_authentication_has_no_keys_and_its_plans_stay_as_they_were(
    free_site_file: None, controller: Any
) -> None:
    push = controller.services.distribution.message("nanjing")
    assert controller.services.stamp_keyring.epochs() == []
    assert "keys" not in json.loads(push)
    assert "authenticated" not in push
    assert '"mode"' not in push

"""Which plans an agent takes: signed by its own controller, and no older than its own."""

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.plan.gate import PlanGate
from messages.enrolment import plan_message
from messages.exchange import Plan, PlanPush, StampKeys

PLAN_KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC = PLAN_KEY.public_key().public_bytes_raw().hex()
PLAN = Plan(version=5, agent="nanjing")


def pushed(plan: Plan, key: ed25519.Ed25519PrivateKey = PLAN_KEY) -> tuple[str, PlanPush]:
    signature = key.sign(plan_message(msgspec.json.encode(plan))).hex()
    push = PlanPush(plan=plan, signature=signature)
    return msgspec.json.encode(push).decode(), push


def test_plan_of_our_controller_is_taken_again_and_newer() -> None:
    for running in (None, 4, 5):
        current = None if running is None else Plan(version=running, agent="nanjing")
        gate = PlanGate(lambda: PUBLIC, lambda current=current: current)
        assert gate.problem(*pushed(PLAN)) is None


def test_forged_plan_is_refused() -> None:
    gate = PlanGate(lambda: PUBLIC, lambda: None)
    data, push = pushed(PLAN)
    forgeries = [
        pushed(PLAN, ed25519.Ed25519PrivateKey.generate()),
        (data.replace('"window_ms":10000', '"window_ms":20000'), push),
        (msgspec.json.encode(PlanPush(plan=PLAN)).decode(), PlanPush(plan=PLAN)),
        (data.replace(push.signature, "zz"), push),
    ]
    for forged, decoded in forgeries:
        problem = gate.problem(forged, decoded)
        assert problem is not None
        assert "not signed" in problem.en
        assert "签名" in problem.zh


def test_older_plan_is_refused() -> None:
    gate = PlanGate(lambda: PUBLIC, lambda: Plan(version=6, agent="nanjing"))
    problem = gate.problem(*pushed(PLAN))
    assert problem is not None
    assert "older than plan 6" in problem.en


def test_keys_beside_a_plan_are_signed_with_it() -> None:
    keys = StampKeys(epoch=3, probing={"192.0.2.1": bytes(32)})
    plan_json, keys_json = msgspec.json.encode(PLAN), msgspec.json.encode(keys)
    signature = PLAN_KEY.sign(plan_message(plan_json, keys_json)).hex()
    push = PlanPush(plan=PLAN, keys=keys, signature=signature)
    data = msgspec.json.encode(push).decode()
    gate = PlanGate(lambda: PUBLIC, lambda: None)
    assert gate.problem(data, push) is None
    others = data.replace("192.0.2.1", "192.0.2.2")
    assert gate.problem(others, msgspec.json.decode(others, type=PlanPush)) is not None

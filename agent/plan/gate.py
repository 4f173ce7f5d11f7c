"""The gate before a plan: signed by the key pinned at enrolment, and no older than ours."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from foundation.text import Text
from messages.enrolment import plan_message
from messages.exchange import Plan, PlanPush


class _RawPush(msgspec.Struct, tag="plan"):
    """A plan's push with the own bytes of the plan and its keys, which are what is signed."""

    plan: msgspec.Raw
    keys: msgspec.Raw = msgspec.Raw()
    signature: str = ""


class PlanGate:
    """Judges what the controller pushes. `plan_key()` is the pinned key, `current()` our plan."""

    def __init__(self, plan_key: Callable[[], str], current: Callable[[], Plan | None]) -> None:
        self._plan_key = plan_key
        self._current = current

    def problem(self, data: str, push: PlanPush) -> Text | None:
        """Return why a push (its text, and what it was decoded to) is refused; None if it is not.

        The same version may come again: after the controller's data was restored, one number can
        mean another content.
        """
        raw = msgspec.json.decode(data, type=_RawPush)
        try:
            key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._plan_key()))
            signed = plan_message(bytes(raw.plan), bytes(raw.keys))
            key.verify(bytes.fromhex(raw.signature), signed)
        except (InvalidSignature, ValueError):
            return Text(
                f"Plan {push.plan.version} is refused: it is not signed by the controller this "
                f"agent was enrolled with. The last valid plan stays in force. Ask "
                "the controller's owner.",
                f"已拒绝测量计划 {push.plan.version}：其签名与注册时的控制器不符。"
                "继续执行原计划；请联系控制器管理员。",
            )
        current = self._current()
        if current is not None and push.plan.version < current.version:
            return Text(
                f"Plan {push.plan.version} is refused: it is older than plan {current.version}, "
                f"which is in force. The last valid plan stays in force.",
                f"已拒绝测量计划 {push.plan.version}：比正在执行的计划 {current.version} 更旧。"
                "继续执行原计划。",
            )
        return None

"""What the running agent shows its controller, and how it judges what comes back."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp

from agent.conditions import Conditions
from agent.config import AgentConfig
from agent.identity.renewal import Renewal
from agent.identity.trust import Trust, load_trust
from agent.plan.gate import PlanGate
from foundation.clock import Clock
from foundation.errors import ConfigError
from foundation.reasons import NOT_PEM, reason_of
from messages.exchange import Plan


class Credentials:
    """An enrolled agent's certificate in use: one TLS context, kept fresh by one renewal."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        try:
            self.context = trust.context()
        except (OSError, ssl.SSLError) as error:
            reason = NOT_PEM if isinstance(error, ssl.SSLError) else reason_of(error)
            raise ConfigError(
                f"{trust.directory} cannot be used ({reason.en}); enrol this agent again: "
                "isochrone agent enrol.",
                f"无法使用 {trust.directory}（{reason.zh}）；请重新注册探针："
                "isochrone agent enrol。",
                file=str(trust.directory),
            ) from error

    def renewal(
        self, session: aiohttp.ClientSession, url: str, conditions: Conditions, clock: Clock
    ) -> Renewal:
        """Return what keeps the certificate fresh over `session`."""
        return Renewal(session, url, self, conditions, clock)

    def plan_gate(self, current: Callable[[], Plan | None]) -> PlanGate:
        """Return what judges plans by the key that was pinned."""
        return PlanGate(lambda: self.trust.plan_key, current)


def credentials_of(config: AgentConfig) -> Credentials:
    """Return an enrolled agent's credentials. Raises ConfigError where it is not enrolled."""
    return Credentials(load_trust(Path(config.state_dir), config.name))

"""What an agent shows its controller, kept fresh: a new key and certificate in time.

That time is when two thirds of the present one's life are over (`Trust.renew_at_ns`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import aiohttp
import msgspec

from agent.channel.backoff import Backoff
from agent.channel.link import open_session, read_answer, refusal_of, unreachable
from agent.conditions import Conditions
from agent.config import AgentConfig
from agent.identity.trust import Trust, load_trust, new_request, save_trust
from agent.plan.gate import PlanGate
from foundation.clock import Clock
from foundation.errors import ConfigError, IsochroneError, ResourceError
from foundation.reasons import NOT_PEM, reason_of
from foundation.text import Text
from messages.controller_url import socket_path
from messages.enrolment import CertificateDocument, RenewalRequest
from messages.exchange import Plan

_LOOK_EVERY_S = 30.0
_LEAST_BETWEEN_NS = 3_600_000_000_000


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


class Renewal:
    """Keeps one agent's certificate fresh. New connections of its context show the newest."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        credentials: Credentials,
        conditions: Conditions,
        clock: Clock,
    ) -> None:
        self._session = session
        self._url = url
        self._held = credentials
        self._kept = _modified_ns(credentials.trust)
        self._conditions = conditions
        self._clock = clock
        self._renewed_ns: int | None = None  # monotonic
        # An hour at most between tries: a month is left when they begin.
        self._backoff = Backoff(first_s=30.0, longest_s=3600.0)

    async def run(self) -> None:
        """Look for ever; renew in time; report an end that was not averted."""
        while True:
            wait_s = await self.look()
            await asyncio.sleep(wait_s)

    async def look(self) -> float:
        """Renew if it is time; return the seconds to wait before the next look."""
        if _modified_ns(self._held.trust) != self._kept:
            await asyncio.to_thread(self._take_over)
        now_ns = self._clock.wall_ns()
        if self._was_renewed_lately():  # a clock far ahead calls each new one old
            return _LOOK_EVERY_S
        if now_ns < self._held.trust.renew_at_ns:
            return min(_LOOK_EVERY_S, max(1.0, (self._held.trust.renew_at_ns - now_ns) / 1e9))
        if now_ns >= self._held.trust.expires_ns:
            self._conditions.begin("certificate", "error", _expired(self._held.trust.agent))
            return _LOOK_EVERY_S
        trouble = await self._renew()
        if trouble is not None:
            self._conditions.begin("certificate", "warning", trouble)
            left_s = (self._held.trust.expires_ns - now_ns) / 1e9
            return max(1.0, min(self._backoff.next_s(), left_s / 10))
        self._backoff.succeeded()
        self._conditions.end("certificate")
        return 1.0

    def _was_renewed_lately(self) -> bool:
        at_ns = self._renewed_ns
        return at_ns is not None and self._clock.monotonic_ns() - at_ns < _LEAST_BETWEEN_NS

    async def _renew(self) -> Text | None:
        """Get a fresh certificate and use it; return what was in the way."""
        try:
            self._held.trust = await renewed(self._session, self._url, self._held.trust)
            self._kept = _modified_ns(self._held.trust)
            self._held.trust.load_into(self._held.context)
        except IsochroneError as error:
            return _not_renewed(error.text)
        except (OSError, ssl.SSLError) as error:
            reason = reason_of(error)
            return _not_renewed(Text(f"{reason.en}.", f"{reason.zh}。"))
        self._renewed_ns = self._clock.monotonic_ns()
        return None

    def _take_over(self) -> None:
        """Use what `isochrone agent enrol` put there while we ran."""
        modified_ns = _modified_ns(self._held.trust)
        try:
            found = load_trust(self._held.trust.directory.parent, self._held.trust.agent)
            found.load_into(self._held.context)
        except (IsochroneError, OSError):
            return  # half written; the next look finds it whole
        self._held.trust, self._kept = found, modified_ns
        self._conditions.end("certificate")


def credentials_of(config: AgentConfig) -> Credentials:
    """Return an enrolled agent's credentials. Raises ConfigError where it is not enrolled."""
    return Credentials(load_trust(Path(config.state_dir), config.name))


async def renew_now(config: AgentConfig) -> Trust:
    """Renew and keep what was given. Raises IsochroneError; then the old certificate stays."""
    if socket_path(config.controller) is not None:
        raise ConfigError(
            f"{config.name} connects to its controller over a unix socket and has no certificate.",
            f"{config.name} 通过 unix 套接字连接控制器，没有证书。",
        )
    credentials = credentials_of(config)
    session, base = open_session(config.controller, credentials.context, config.proxy)
    url = f"{base}/api/v1/agents/{config.name}/certificate"
    async with session:
        try:
            return await renewed(session, url, credentials.trust)
        except ResourceError as error:
            raise ResourceError(
                f"The certificate was not renewed; the current one stays in use: {error.text.en}",
                f"证书未续期，保持不变：{error.text.zh}",
            ) from error


async def renewed(session: aiohttp.ClientSession, url: str, trust: Trust) -> Trust:
    """Get a certificate for a new key and keep both. Raises IsochroneError; then the old one stays.

    Who reads the files meanwhile finds one pair or the other.
    """
    key, request = await asyncio.to_thread(new_request, trust.agent)
    body = msgspec.json.encode(RenewalRequest(request=request))
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post(url, data=body, headers=headers) as answer:
            said, status = await read_answer(answer), answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _refused(unreachable(url, error)) from error
    if status != HTTPStatus.OK:
        raise _refused(refusal_of(status, said))
    try:
        given = msgspec.json.decode(said, type=CertificateDocument)
    except msgspec.MsgspecError as error:
        raise _refused(Text(f"{error}.", f"{error}。")) from error
    return await asyncio.to_thread(save_trust, trust.directory.parent, key, given)


def _refused(text: Text) -> ResourceError:
    return ResourceError(text.en, text.zh)


def _modified_ns(trust: Trust) -> int | None:
    """Return something that changes when the certificate's file is replaced."""
    try:
        return (trust.directory / "agent.pem").stat().st_mtime_ns
    except OSError:
        return None


def _not_renewed(reason: Text) -> Text:
    return Text(
        f"The certificate could not be renewed yet: {reason.en}",
        f"证书暂未续期成功：{reason.zh}",
    )


def _expired(agent: str) -> Text:
    return Text(
        f"The certificate of {agent} has expired; the agent continues to measure and keeps its "
        f"windows. Enrol again with a new token: isochrone agent enrol.",
        f"{agent} 的证书已过期；测量继续进行，数据保存在本地。"
        "请用新令牌重新注册：isochrone agent enrol。",
    )

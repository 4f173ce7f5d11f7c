"""Renewal: a fresh key and certificate when two thirds of the present one's life are over."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol

import aiohttp
import msgspec

from agent.backoff import Backoff
from agent.conditions import Conditions
from agent.link import read_answer, refusal_of, unreachable
from agent.trust import Trust, load_trust, new_request, save_trust
from probes.clock import Clock
from probes.enrolment import CertificateDocument, RenewalRequest
from probes.errors import IsochroneError
from probes.json_document import decode_json
from probes.text import Text

_LOOK_EVERY_S = 30.0


class Held(Protocol):
    """What is kept fresh; agent.credentials.Credentials."""

    trust: Trust
    context: ssl.SSLContext


class Renewal:
    """Keeps one agent's certificate fresh. New connections of its context show the newest."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        credentials: Held,
        conditions: Conditions,
        clock: Clock,
    ) -> None:
        self._session = session
        self._url = url
        self._held = credentials
        self._kept = _stamp(credentials.trust)
        self._conditions = conditions
        self._clock = clock
        # An hour at most between tries: a month is left when they begin.
        self._backoff = Backoff(first_s=30.0, longest_s=3600.0)

    async def run(self) -> None:
        """Look for ever; renew in time; tell of an end that was not averted."""
        while True:
            wait_s = await self.look()
            await asyncio.sleep(wait_s)

    async def look(self) -> float:
        """Renew if it is time; return the seconds to wait before the next look."""
        if _stamp(self._held.trust) != self._kept:
            await asyncio.to_thread(self._take_over)
        now_ns = self._clock.wall_ns()
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

    async def _renew(self) -> Text | None:
        """Ask for a certificate for a new key and keep it; return what was in the way."""
        key, request = await asyncio.to_thread(new_request, self._held.trust.agent)
        body = msgspec.json.encode(RenewalRequest(request=request))
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self._url, data=body, headers=headers) as answer:
                said = await read_answer(answer)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _not_renewed(unreachable(self._url, error))
        if status != 200:
            return _not_renewed(refusal_of(status, said))
        try:
            given = decode_json(said, CertificateDocument)
            state_dir = self._held.trust.directory.parent
            self._held.trust = await asyncio.to_thread(save_trust, state_dir, key, given)
            self._held.trust.load_into(self._held.context)
            self._kept = _stamp(self._held.trust)
        except msgspec.MsgspecError as error:
            return _not_renewed(Text(f"{error}.", f"{error}。"))
        except IsochroneError as error:
            return _not_renewed(error.text)
        return None

    def _take_over(self) -> None:
        """Use what `isochrone agent enrol` put there while we ran."""
        stamp = _stamp(self._held.trust)
        try:
            found = load_trust(self._held.trust.directory.parent, self._held.trust.agent)
            found.load_into(self._held.context)
        except (IsochroneError, OSError):
            return  # half written; the next look finds it whole
        self._held.trust, self._kept = found, stamp
        self._conditions.end("certificate")


def _stamp(trust: Trust) -> int | None:
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
        f"The certificate of {agent} has expired; measuring goes on and windows are kept. Enrol "
        "again with a new token: isochrone agent enrol.",
        f"{agent} 的证书已过期；测量继续进行，数据保存在本地。"
        "请用新令牌重新注册：isochrone agent enrol。",
    )

"""A certificate is renewed in time and its successor used; what fails is told and tried again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.channel.link import open_session
from agent.conditions import Conditions
from agent.config import AgentConfig
from agent.identity.credentials import Credentials, Renewal, credentials_of, renew_now
from agent.identity.trust import Trust, load_trust, new_request, save_trust
from foundation.clock import SystemClock
from foundation.errors import ConfigError
from messages.enrolment import RenewalRequest
from tests.agent.identity.test_trust import given

DAY_NS = 86_400 * 10**9


class Ahead(SystemClock):
    """A wall clock that is so far ahead."""

    by_ns = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.by_ns


class Controller:
    """Gives whoever asks a certificate of 90 days, or answers with `status` or `body`."""

    def __init__(self) -> None:
        self.asked, self.status, self.body = 0, 200, b""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        asked = msgspec.json.decode(await request.read(), type=RenewalRequest)
        body = self.body or msgspec.json.encode(given(asked.request))
        return web.Response(body=body, status=self.status, content_type="application/json")


def enrolled(state_dir: Path) -> Trust:
    key, request = new_request("nanjing")
    return save_trust(state_dir, key, given(request))


Renewing = tuple[Renewal, Credentials, Controller, Ahead, Conditions]


@contextlib.asynccontextmanager
async def renewing(state_dir: Path) -> AsyncIterator[Renewing]:
    controller, clock, conditions = Controller(), Ahead(), Conditions()
    credentials, app = Credentials(enrolled(state_dir)), web.Application()
    app.router.add_post("/certificate", controller.answer)
    async with TestServer(app) as server:
        session, base = open_session(str(server.make_url("/")))
        async with session:
            renewal = credentials.renewal(session, f"{base}/certificate", conditions, clock)
            yield renewal, credentials, controller, clock, conditions


async def test_nobody_is_asked_before_two_thirds_are_over_and_once_then(tmp_path: Path) -> None:
    async with renewing(tmp_path) as (renewal, credentials, controller, clock, conditions):
        before = credentials.trust
        assert await renewal.look() > 1
        assert (controller.asked, credentials.trust) == (0, before)
        clock.by_ns = 61 * DAY_NS
        await renewal.look()
        await renewal.look()  # by this clock the new one is old, too
        assert (controller.asked, conditions.current()) == (1, ())
        assert credentials.trust == load_trust(tmp_path, "nanjing")


@pytest.mark.parametrize("harm", ["status", "rubbish", "not ours"])
async def test_what_is_in_the_way_is_told_and_the_old_certificate_stays(
    tmp_path: Path, harm: str
) -> None:
    async with renewing(tmp_path) as (renewal, credentials, controller, clock, conditions):
        before, clock.by_ns = credentials.trust, 61 * DAY_NS
        if harm == "status":
            controller.status = 503
        elif harm == "rubbish":
            controller.body = b"[]"
        else:
            controller.body = msgspec.json.encode(given(new_request("nanjing")[1]))
        assert 1 <= await renewal.look() <= 3600
        (told,) = conditions.current()
        assert (told.code, told.severity) == ("certificate", "warning")
        assert "could not be renewed yet" in told.text.en
        assert credentials.trust == load_trust(tmp_path, "nanjing") == before
        controller.status, controller.body = 200, b""
        await renewal.look()
        assert conditions.current() == ()


async def test_one_that_has_expired_asks_for_another_enrolment(tmp_path: Path) -> None:
    async with renewing(tmp_path) as (renewal, _, controller, clock, conditions):
        clock.by_ns = 91 * DAY_NS
        await renewal.look()
        (told,) = conditions.current()
        assert (told.severity, controller.asked) == ("error", 0)
        assert "has expired" in told.text.en
        enrolled(tmp_path)  # beside the running agent, which takes it up
        clock.by_ns = 0
        await renewal.look()
        assert conditions.current() == ()


def test_who_is_not_enrolled_has_none_and_is_told_how(tmp_path: Path) -> None:
    config = AgentConfig(name="a1", controller="https://c:1", state_dir=str(tmp_path))
    with pytest.raises(ConfigError, match="agent enrol"):
        credentials_of(config)


def test_a_key_of_another_certificate_is_told_as_such(tmp_path: Path) -> None:
    trust = enrolled(tmp_path)
    other, _ = new_request("nanjing")
    file = trust.directory / "agent.pem"
    certificate = file.read_bytes().partition(b"-----BEGIN CERTIFICATE")
    file.write_bytes(other + b"".join(certificate[1:]))
    with pytest.raises(ConfigError, match="belong together"):
        Credentials(load_trust(tmp_path, "nanjing"))


async def test_on_a_socket_of_the_machine_there_is_nothing_to_renew(tmp_path: Path) -> None:
    config = AgentConfig(name="a1", controller="unix:/c", state_dir=str(tmp_path))
    with pytest.raises(ConfigError, match="has no certificate"):
        await renew_now(config)

"""What is said of certificates that are refused: the cause that OpenSSL gave, in handshakes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme

from agent.channel.link import unreachable
from agent.identity.enrolment import _unreachable
from controller.client.calls import no_answer
from foundation.errors import ConfigError
from foundation.reasons import reason_of
from foundation.tls_faults import certificate_fault, refuses_certificate
from tui.client import Client

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
WHEN = {"early": (NOW + DAY, NOW + 2 * DAY), "expired": (NOW - 2 * DAY, NOW - DAY)}
SAID = {
    "early": ("is not valid yet", "尚未生效"),
    "expired": ("has expired", "已过期"),
    "name": ("is not for this name", "与该名称不符"),
    "authority": ("is not from", "并非由"),
}


def certificate(kind: str, authority: trustme.CA) -> trustme.LeafCert:
    before, after = WHEN.get(kind, (NOW - DAY, NOW + DAY))
    name = "elsewhere.example" if kind == "name" else "127.0.0.1"
    return authority.issue_cert(name, not_before=before, not_after=after)


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def failure(url: str, context: ssl.SSLContext) -> aiohttp.ClientError:
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientError) as error:
            await session.get(url)
    return error.value


async def refused(kind: str) -> aiohttp.ClientError:
    """Meet a controller whose certificate is wrong in one way."""
    ours = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate(kind, trustme.CA() if kind == "authority" else ours).configure_cert(server)
    client = ssl.create_default_context()
    ours.configure_trust(client)
    async with serving(server) as url:
        return await failure(url, client)


@pytest.mark.parametrize("kind", SAID)
async def test_each_user_of_tls_tells_what_is_wrong_with_a_certificate(kind: str) -> None:
    error = await refused(kind)
    fault = certificate_fault(error)
    assert fault is not None
    assert fault.kind == kind
    url = "https://127.0.0.1:8780"
    told = [unreachable(url, error), _unreachable(url, error).text, no_answer(url, error).text]
    shown = Client(url)._unreachable(error)
    told.append(type(told[0])(shown.en, shown.zh))
    for text in told:
        for each, (en, zh) in SAID.items():
            assert (en in text.en) is (each == kind), text.en
            assert (zh in text.zh) is (each == kind), text.zh
    assert isinstance(no_answer(url, error), ConfigError)
    assert SAID[kind][0] in reason_of(error).en
    assert SAID[kind][1] in reason_of(error).zh


async def test_what_is_told_of_time_names_the_clock() -> None:
    error = await refused("early")
    fault = certificate_fault(error, datetime.datetime(2019, 3, 1, 8, 5, tzinfo=datetime.UTC))
    assert fault is not None
    assert "2019-03-01 08:05 UTC" in fault.text.en
    assert "timedatectl" in fault.text.en


async def test_what_speaks_no_tls_is_said_to() -> None:
    async with serving(None) as url:
        error = await failure(url, ssl.create_default_context())
    assert "does not speak TLS" in reason_of(error).en
    assert "does not speak TLS" in unreachable(url, error).en


def alert_to(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLError:
    """Return what a client meets with when the server refuses its certificate."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(back, there, server_hostname="127.0.0.1")
    answers = server.wrap_bio(there, back, server_side=True)
    with contextlib.suppress(ssl.SSLWantReadError):
        asks.do_handshake()
    with contextlib.suppress(ssl.SSLWantReadError):
        answers.do_handshake()
    asks.do_handshake()  # as TLS 1.3 has it, before its certificate is looked at
    with pytest.raises(ssl.SSLCertVerificationError):
        answers.do_handshake()
    with pytest.raises(ssl.SSLError) as error:
        asks.read()
    return error.value


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired", "has expired by its clock"),
        ("early", "not valid yet by its clock"),
        ("authority", "another authority"),
    ],
)
def test_a_certificate_that_the_other_side_refuses_is_told_with_its_reason(
    kind: str, said: str
) -> None:
    ours = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate("good", ours).configure_cert(server)
    server.verify_mode = ssl.CERT_REQUIRED
    ours.configure_trust(server)
    client = ssl.create_default_context()
    ours.configure_trust(client)
    certificate(kind, trustme.CA() if kind == "authority" else ours).configure_cert(client)
    alert = alert_to(client, server)
    error = aiohttp.ClientOSError(1, "as aiohttp has it")
    error.__cause__ = alert
    assert refuses_certificate(error)
    text = unreachable("https://127.0.0.1:8780", error)
    assert said in text.en
    assert "isochrone agent enrol" in text.zh


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_names_that_cannot_be_resolved_have_their_chinese(number: int) -> None:
    text = reason_of(socket.gaierror(number, "Name or service not known"))
    assert text.en != text.zh


def test_the_terminal_has_the_same_codes() -> None:
    ours, theirs = (
        (Path(__file__).parents[2] / place).read_text(encoding="utf-8")
        for place in ("foundation/tls_faults.py", "tui/certificates.py")
    )
    codes = "dict.fromkeys((2, 7, 18, 19, 20, 21, 27, 28, 30)"
    assert codes in ours
    assert codes in theirs

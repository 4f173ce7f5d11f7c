"""The private authority: what it makes, what it signs, and what TLS does with it."""

import asyncio
import os
import pathlib
import ssl
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from controller.access.certificate_authority import (
    SERVER_LIFETIME,
    Authority,
    authority_exists,
    create_authority,
    load_authority,
)
from controller.access.certificates import key_pem, new_key
from controller.access.roles import Identity
from controller.api.server.addresses import parse_listen
from controller.serving.service import tls_context
from foundation.errors import ConfigError

DAY_NS = 86_400 * 1_000_000_000


def signing_request(key: ec.EllipticCurvePrivateKey | None = None, name: str = "x") -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.sign(key or new_key(), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def test_everything_secret_is_its_owners_alone(authority: Authority, tmp_path: Any) -> None:
    keys = tmp_path / "data" / "keys"
    assert keys.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}
    assert authority_exists(tmp_path / "data")


def test_authority_is_read_back_as_it_was_made(
    authority: Authority, tmp_path: Any, clock: Any
) -> None:
    again = load_authority(tmp_path / "data", clock)
    assert again.fingerprint == authority.fingerprint
    assert again.plan_public_key == authority.plan_public_key
    assert again.hosts() == ["controller.example", "127.0.0.1"]


def test_plans_are_signed_with_a_key_that_agents_can_check(authority: Authority) -> None:
    public = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(authority.plan_public_key))
    public.verify(bytes.fromhex(authority.sign_plan(b"plan")), b"plan")


def test_servers_certificate_is_renewed_in_its_last_third(authority: Authority, clock: Any) -> None:
    assert not authority.renew_server_in_time()
    clock.now_ns += SERVER_LIFETIME.days * DAY_NS * 2 // 3 + DAY_NS
    assert authority.renew_server_in_time()
    assert authority.hosts() == ["controller.example", "127.0.0.1"]
    assert not authority.renew_server_in_time()


def test_servers_certificate_made_by_a_clock_ahead_is_replaced_once_the_clock_is_right(
    authority: Authority, clock: Any
) -> None:
    clock.now_ns += SERVER_LIFETIME.days * DAY_NS
    assert authority.renew_server_in_time()
    clock.now_ns -= SERVER_LIFETIME.days * DAY_NS
    assert authority.renew_server_in_time()
    assert not authority.renew_server_in_time()


def test_tcp_needs_an_authority_and_sockets_do_not(controller: Any, tmp_path: Any) -> None:
    assert tls_context([parse_listen("unix:/x")], controller.services) is None
    with pytest.raises(ConfigError, match="controller init"):
        tls_context([parse_listen("unix:/x"), parse_listen("127.0.0.1:1")], controller.services)


def client_context(authority: Authority, certificate: str = "", key: bytes = b"") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if certificate:
        both = authority.file.with_name("client.pem")
        both.write_bytes(key + certificate.encode())
        context.load_cert_chain(both)
    return context


def agents_context(state: Any, authority: Authority, agent: str) -> ssl.SSLContext:
    key = new_key()
    pem, record = authority.issue(signing_request(key), agent)
    state.access.renewed(record, Identity(kind="owner", name="test", role="admin"))
    return client_context(authority, pem, key_pem(key))


async def test_agents_certificate_opens_its_own_addresses_and_no_others(served: Any) -> None:
    state, authority, url = served
    context = agents_context(state, authority, "nanjing")
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(url, connector=connector) as session:

        async def ask(path: str, method: str = "POST") -> tuple[int, str]:
            async with session.request(method, path) as answer:
                body = await answer.json()
                return answer.status, body.get("error", {}).get("code", "")

        assert await ask("/api/v1/agents/nanjing/chunks") == (415, "wrong_content_type")
        assert await ask("/api/v1/agents/suzhou/chunks") == (403, "foreign_agent")
        assert await ask("/api/v1/agents/suzhou/control", "GET") == (403, "foreign_agent")
        assert await ask("/api/v1/sites", "GET") == (403, "forbidden")


async def test_revoked_agent_loses_its_open_connections_at_once(served: Any) -> None:
    state, authority, url = served
    context = agents_context(state, authority, "nanjing")
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        async with session.ws_connect("/api/v1/agents/nanjing/control") as socket:
            state.access.revoke_agent("nanjing")
            assert state.gate.close_ended() == 1
            message = await asyncio.wait_for(socket.receive(), 60)
            assert message.type.name in ("CLOSE", "CLOSED", "ERROR")
        async with session.post("/api/v1/agents/nanjing/chunks") as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["code"] == "revoked_certificate"


async def test_certificate_of_a_foreign_authority_gets_no_connection(
    served: Any, tmp_path: pathlib.Path
) -> None:
    import trustme

    _, authority, url = served
    foreign = trustme.CA().issue_cert("isochrone@example.net")
    context = client_context(authority)
    foreign.configure_cert(context)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.get("/healthz")


async def test_servers_certificate_is_no_credential_of_an_agent(served: Any) -> None:
    _, authority, url = served
    context = client_context(authority)
    context.load_cert_chain(authority.file.with_name("server.pem"))
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.get("/healthz")


async def test_token_over_tls_opens_what_its_role_may_do(served: Any) -> None:
    state, authority, url = served
    token = state.access.create_api_token("viewer", "x", None)
    connector = aiohttp.TCPConnector(ssl=client_context(authority))
    async with aiohttp.ClientSession(url, connector=connector) as session:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.get("/api/v1/sites", headers=headers) as answer:
            assert answer.status == 200
        async with session.get("/api/v1/audit", headers=headers) as answer:
            assert answer.status == 403
        async with session.get("/api/v1/sites") as answer:
            assert answer.status == 401


@pytest.mark.parametrize("name", ["authority.pem", "authority.key", "server.pem"])
@pytest.mark.parametrize("how", ["pipe", "loop", "directory", "rubbish"])
def test_a_key_file_that_is_none_is_told_and_never_taken_for_no_authority(
    authority: Authority, tmp_path: Any, clock: Any, name: str, how: str
) -> None:
    (place,) = tmp_path.rglob(name)
    place.unlink()
    {
        "pipe": os.mkfifo,
        "loop": lambda path: path.symlink_to(path),
        "directory": pathlib.Path.mkdir,
        "rubbish": lambda path: path.write_bytes(bytes(range(256)) * 8),
    }[how](place)
    assert authority_exists(place.parents[1])
    with pytest.raises(ConfigError, match="cannot be used") as told:
        load_authority(place.parents[1], clock).load_server(ssl.create_default_context())
    assert "http" not in told.value.text.zh
    assert "Errno" not in told.value.text.en


def test_a_key_of_another_authority_gives_no_certificates(
    authority: Authority, tmp_path: Any, clock: Any
) -> None:
    create_authority(tmp_path / "other", ["localhost"], clock)
    place = authority.file.with_name("authority.key")
    place.write_bytes((tmp_path / "other" / "keys" / "authority.key").read_bytes())
    with pytest.raises(ConfigError, match="belong together"):
        load_authority(place.parents[1], clock)

"""Nobody is shown the token but the controller whose authority it names."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from agent.identity.enrolment import enrol
from agent.identity.trust import load_trust
from agent.plan.file import KEYS_FILE
from foundation.errors import ConfigError, IsochroneError, ResourceError
from messages.enrolment import (
    AuthorityDocument,
    CertificateDocument,
    EnrolmentRequest,
    EnrolmentToken,
)


@dataclass
class Controller:
    """Enrols whoever asks, by its own authority; `changes` falsify what it gives."""

    authority: trustme.CA = field(default_factory=trustme.CA)
    changes: dict[str, str] = field(default_factory=dict)
    status: int = 200
    shown: list[str] = field(default_factory=list)  # tokens

    @property
    def pem(self) -> str:
        return self.authority.cert_pem.bytes().decode()

    def token(self, agent: str = "a1") -> EnrolmentToken:
        fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.pem)).hexdigest()
        return EnrolmentToken(id="0" * 8, agent=agent, secret="s" * 43, fingerprint=fingerprint)

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return self._said(AuthorityDocument(authority=self.pem))
        asked = msgspec.json.decode(await request.read(), type=EnrolmentRequest)
        self.shown.append(asked.token)
        given = CertificateDocument(
            agent="a1",
            certificate=self._issued(asked.request),
            authority=self.pem,
            plan_key="ab" * 32,
        )
        return self._said(msgspec.structs.replace(given, **self.changes))

    def _said(self, document: msgspec.Struct) -> web.Response:
        body = msgspec.json.encode(document)
        return web.Response(body=body, content_type="application/json", status=self.status)

    def _issued(self, request: str) -> str:
        issuer = x509.load_pem_x509_certificate(self.pem.encode())
        key = serialization.load_pem_private_key(self.authority.private_key_pem.bytes(), None)
        now, asked = dt.datetime.now(dt.UTC), x509.load_pem_x509_csr(request.encode())
        builder = x509.CertificateBuilder().subject_name(asked.subject).issuer_name(issuer.subject)
        builder = builder.public_key(asked.public_key()).serial_number(7)
        builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=90))
        signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]  # a private key
        return signed.public_bytes(serialization.Encoding.PEM).decode()


@contextlib.asynccontextmanager
async def serving(controller: Controller) -> AsyncIterator[str]:
    tls, app = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), web.Application()
    controller.authority.issue_cert("127.0.0.1").configure_cert(tls)
    app.router.add_route("*", "/api/v1/enrolment", controller.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=tls)
    try:
        yield str(server.make_url("/")).rstrip("/")
    finally:
        await server.close()


async def test_an_agent_is_enrolled_and_old_keys_of_probes_are_gone(tmp_path: Path) -> None:
    controller, old = Controller(), tmp_path / KEYS_FILE
    old.write_text("{}", encoding="ascii")
    async with serving(controller) as url:
        trust = await enrol(url, controller.token(), tmp_path)
    assert controller.shown == [controller.token().text()]
    assert trust == load_trust(tmp_path, "a1")
    assert trust.plan_key == "ab" * 32
    assert not old.exists()


async def test_a_controller_of_another_authority_is_not_shown_the_token(tmp_path: Path) -> None:
    stranger = Controller()
    async with serving(stranger) as url:
        with pytest.raises(ConfigError, match="was not sent") as told:
            await enrol(url, Controller().token(), tmp_path)
    assert stranger.shown == []
    assert "令牌未发送" in told.value.text.zh
    assert not (tmp_path / "trust").exists()


async def test_a_redirect_takes_the_token_nowhere(tmp_path: Path) -> None:
    controller = Controller(status=307)
    async with serving(controller) as url:
        with pytest.raises(ResourceError, match="redirect"):
            await enrol(url, controller.token(), tmp_path)
    assert controller.shown == []


@pytest.mark.parametrize(
    "changes",
    [
        {"agent": "b2"},
        {"authority": trustme.CA().cert_pem.bytes().decode()},
        {"certificate": trustme.CA().cert_pem.bytes().decode()},
        {"plan_key": "zz"},
    ],
)
async def test_what_does_not_fit_is_not_kept(tmp_path: Path, changes: dict[str, str]) -> None:
    controller = Controller(changes=changes)
    async with serving(controller) as url:
        with pytest.raises(IsochroneError, match=r"does not (fit|answer like)"):
            await enrol(url, controller.token(), tmp_path)
    assert not (tmp_path / "trust").exists()


async def test_a_refusal_is_told_as_the_controllers(tmp_path: Path) -> None:
    controller = Controller(status=403)
    async with serving(controller) as url:
        with pytest.raises(ResourceError, match="HTTP status 403") as told:
            await enrol(url, controller.token(), tmp_path)
    assert "未接受注册" in told.value.text.zh


async def test_nobody_there_is_told_with_the_address(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"https://127\.0\.0\.1:9 cannot be reached"):
        await enrol("https://127.0.0.1:9/", Controller().token(), tmp_path)

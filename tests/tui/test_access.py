"""The terminal UI over HTTPS: it shows its token, knows its controller, and says what is wrong."""

import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from tui.access import Access
from tui.client import Client, split_url
from tui.errors import AddressError, AnswerError, TuiError, UnreachableError

TOKEN = "isoa.00000000.secret"


@pytest.fixture
def ca(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return ca


@pytest.fixture
async def url(ca: trustme.CA) -> AsyncIterator[str]:
    async def sites(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            said = {
                "code": "unauthenticated",
                "message": {"en": "No credential.", "zh": "无凭据。"},
            }
            return web.json_response({"error": said}, status=401)
        return web.json_response({"items": [], "next": None})

    app = web.Application()
    app.router.add_get("/api/v1/sites", sites)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    server = TestServer(app, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n", encoding="ascii")
    return path


@pytest.mark.parametrize("url", ["unix:/run/i.sock", "unix:///run/i.sock"])
def test_a_socket_is_named_as_on_every_command_line(url: str) -> None:
    assert split_url(url) == ("http://controller", "/run/i.sock")


async def ask(url: str, access: Access) -> TuiError | None:
    try:
        async with Client(url, access) as client:
            assert await client.get_sites() == []
    except TuiError as error:
        return error
    return None


async def test_token_and_authority_open_the_api(url: str, token_file: Path, tmp_path: Path) -> None:
    access = Access(token_file=token_file, ca_file=tmp_path / "ca.pem")
    assert await ask(url, access) is None
    assert TOKEN not in repr(access)


async def test_without_token_the_refusal_is_told(url: str, tmp_path: Path) -> None:
    error = await ask(url, Access(ca_file=tmp_path / "ca.pem"))
    assert isinstance(error, AnswerError)
    assert "No credential." in error.en
    assert "无凭据" in error.zh


async def test_controller_of_an_unknown_authority_is_not_spoken_to(
    url: str, token_file: Path
) -> None:
    assert isinstance(await ask(url, Access(token_file=token_file)), UnreachableError)


async def test_token_is_never_shown_in_plain_http(token_file: Path) -> None:
    error = await ask("http://127.0.0.1:9", Access(token_file=token_file))
    assert isinstance(error, AddressError)


@pytest.mark.parametrize("content", ["", "two words", "é"])
async def test_file_that_is_no_token_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t"
    path.write_text(content, encoding="utf-8")
    for access in (Access(token_file=path), Access(token_file=tmp_path / "none")):
        assert isinstance(await ask("https://127.0.0.1:9", access), AddressError)
    assert isinstance(await ask("https://127.0.0.1:9", Access(ca_file=path)), AddressError)


def test_an_authority_without_a_certificate_or_an_end_is_never_the_systems(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    os.mkfifo(tmp_path / "pipe")
    for place in (empty, tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(AddressError, match="cannot be used"):
            Access(ca_file=place).context()

"""A command shows its token to the controller it was told, and to nobody that one points to."""

import os
import pathlib
import ssl

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.client.calls import no_answer
from controller.client.link import ControllerAddress, trusting
from foundation.errors import ConfigError
from foundation.one_host import RedirectedError
from tui.access import Access
from tui.client import Client
from tui.errors import UnreachableError


@pytest.fixture
async def redirecting(tmp_path):
    """A controller's address that redirects to another host; what that host was asked."""
    asked, authority, server = [], trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "token").write_text("isochrone-secret")

    async def note(request):
        asked.append(dict(request.headers))
        return web.json_response({"items": []})

    async def redirect(request):
        raise web.HTTPTemporaryRedirect(str(other.make_url("/metadata")))

    other_app, app = web.Application(), web.Application()
    other_app.router.add_route("*", "/{path:.*}", note)
    app.router.add_route("*", "/{path:.*}", redirect)
    async with TestServer(other_app) as other:
        front = TestServer(app, scheme="https")
        await front.start_server(ssl=server)
        url = str(front.make_url("/")).rstrip("/")
        yield ControllerAddress(url, tmp_path / "token", tmp_path / "ca.pem"), asked
        await front.close()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_command_follows_no_redirect(redirecting, method):
    address, asked = redirecting
    async with address.open_session(20.0) as session:
        with pytest.raises(RedirectedError) as told:
            await session.request(method, "/api/v1/campaigns")
    assert asked == []
    error = no_answer(address.url, told.value)
    assert "redirect to 'http://127.0.0.1" in error.text.en
    assert "重定向" in error.text.zh


async def test_terminal_follows_no_redirect(redirecting):
    address, asked = redirecting
    async with Client(address.url, Access(address.token_file, address.ca_file)) as client:
        with pytest.raises(UnreachableError, match="redirect"):
            await client.get_health()
        with pytest.raises(UnreachableError, match="redirect"):
            async for _ in client.events():
                pass
    assert asked == []


def test_an_authority_without_a_certificate_or_an_end_is_never_the_systems(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for name in ("empty", "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(ConfigError, match="cannot be used"):
            trusting(tmp_path / name)

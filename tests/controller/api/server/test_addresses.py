"""Where the controller listens: what is understood, what is refused, and what is usual."""

import pathlib

import pytest

from controller.access.certificate_authority import create_authority
from controller.api.server.addresses import DEFAULT_LISTEN, SOCKET_NAME, listens_of, parse_listen
from foundation.clock import SystemClock
from foundation.errors import ConfigError


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8780", "[::1]:8780", "example.net:1", "unix:/run/isochrone.sock"]
)
def test_addresses_are_understood(text: str) -> None:
    assert str(parse_listen(text)) == text


@pytest.mark.parametrize("text", ["8780", "unix:", "127.0.0.1:99999", "127.0.0.1:http", ":80", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        parse_listen(text)


def test_unasked_it_listens_on_its_own_socket_and_on_tcp_once_it_can_speak_tls(
    tmp_path: pathlib.Path,
) -> None:
    own = f"unix:{tmp_path / SOCKET_NAME}"
    assert [str(listen) for listen in listens_of([], tmp_path)] == [own]
    create_authority(tmp_path, ["localhost"], SystemClock())
    assert [str(listen) for listen in listens_of([], tmp_path)] == [own, DEFAULT_LISTEN]


def test_what_is_asked_for_is_all_there_is(tmp_path: pathlib.Path) -> None:
    create_authority(tmp_path, ["localhost"], SystemClock())
    assert [str(one) for one in listens_of(["unix:/run/x.sock"], tmp_path)] == ["unix:/run/x.sock"]

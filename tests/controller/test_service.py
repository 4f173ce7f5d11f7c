import pytest

from controller.service import parse_listen, refuse_outside
from probes.errors import ConfigError


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8780", "[::1]:8780", "localhost:1", "unix:/run/isochrone.sock"]
)
def test_local_addresses_are_understood_and_need_no_flag(text: str) -> None:
    listen = parse_listen(text)
    assert str(listen) == text
    refuse_outside([listen], insecure=False)


@pytest.mark.parametrize("text", ["0.0.0.0:0", "[::]:8780", "example.net:80", "10.0.0.1:8780"])
def test_addresses_that_others_can_reach_need_the_flag(text: str) -> None:
    with pytest.raises(ConfigError, match="insecure-listen"):
        refuse_outside([parse_listen("127.0.0.1:1"), parse_listen(text)], insecure=False)
    refuse_outside([parse_listen(text)], insecure=True)


@pytest.mark.parametrize("text", ["8780", "unix:", "127.0.0.1:99999", "127.0.0.1:http", ":80", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        parse_listen(text)

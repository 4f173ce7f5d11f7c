import pytest

from controller.service import parse_listen
from probes.errors import ConfigError


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8780", "[::1]:8780", "example.net:1", "unix:/run/isochrone.sock"]
)
def test_addresses_are_understood(text: str) -> None:
    assert str(parse_listen(text)) == text


@pytest.mark.parametrize("text", ["8780", "unix:", "127.0.0.1:99999", "127.0.0.1:http", ":80", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        parse_listen(text)

"""Which addresses are a controller's."""

import pytest

from messages.controller_url import is_https


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1:8780", "https://ctl.example.net/", "https://[2001:db8::1]:8780"]
)
def test_a_host_and_a_port_are_an_address(url: str) -> None:
    assert is_https(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https://[",
        "https://]x",
        "https://[::1",
        "https://a:b",
        "https://a:0",
        "https://a:99999",
        "https://a/path",
        "https://a?x",
        "https://a b",
        "https://\x1b[31m",
        "http://a",
        "",
    ],
)
def test_all_else_is_none(url: str) -> None:
    assert not is_https(url)

"""Site files written as text, and what comes of them."""

import pathlib
from collections.abc import Callable

import pytest

from foundation.errors import ConfigError
from topology.network import Network
from topology.site_file import parse_network


@pytest.fixture
def parse() -> Callable[[str], Network]:
    """Return a parser of site file text; messages call the file sites.toml."""
    return lambda text: parse_network(
        '[network]\nname = "try"\n' + text, pathlib.Path("sites.toml")
    )


@pytest.fixture
def fault(parse: Callable[[str], Network]) -> Callable[[str], ConfigError]:
    """Return what parses a bad text and gives back its error."""

    def run(text: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            parse(text)
        error = caught.value
        assert any("\u4e00" <= c <= "\u9fff" for c in error.text.zh), error.text.zh
        return error

    return run


@pytest.fixture
def site() -> Callable[..., str]:
    """Return a writer of one important data centre with one address (9 or 10 lines)."""

    def write(name: str, city: str = "nanjing", number: int = 1, more: str = "") -> str:
        return (
            f'[[site]]\nname = "{name}"\ncity = "{city}"\nroles = ["data_centre"]\n'
            f'important = true\n{more}[[site.interface]]\ncarrier = "telecom"\n'
            f'address = "10.0.0.{number}"\n'
        )

    return write

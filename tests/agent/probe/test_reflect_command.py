"""`isochrone reflect`: a STAMP Session-Reflector (RFC 8762) for as long as it runs."""

from pathlib import Path

import pytest

from agent.probe.reflect_command import read_key, split_place
from foundation.errors import ConfigError


@pytest.mark.parametrize("place", ["862", "localhost:862", "::1:862", "127.0.0.1:0", "1.2.3.4:x"])
def test_wrong_place_to_listen_is_refused(place: str) -> None:
    with pytest.raises(ConfigError):
        split_place(place)


def test_places_of_both_families_are_read() -> None:
    assert split_place("192.0.2.1:862") == ("192.0.2.1", 862)
    assert split_place("[::]:8620") == ("::", 8620)


def test_key_file_must_hold_a_long_hexadecimal_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("00112233445566778899aabbccddeeff\n", encoding="ascii")
    assert len(read_key(path)) == 16
    for text in ("secret", "0011"):
        path.write_text(text, encoding="ascii")
        with pytest.raises(ConfigError) as caught:
            read_key(path)
        assert "secret" not in caught.value.text.en

"""Whose requests must be authenticated, and under which keys."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.errors import ConfigError
from foundation.literals import AddressError, read_destination
from probes.reflector.sessions import Sources

_LOW_64 = (1 << 64) - 1
_MAPPED = 0xFFFF_0000_0000


class SenderKeys:
    """The HMAC keys of single source addresses, newest first, or one key for everybody.

    Raises ConfigError for what is not an address.
    """

    def __init__(
        self, keys: Mapping[str, tuple[bytes, ...]], of_everybody: bytes | None = None
    ) -> None:
        self.of_everybody = of_everybody
        self._keys = {_halves(address): known for address, known in keys.items()}

    def of(self, sources: Sources) -> list[tuple[bytes, ...]]:
        """Return the keys under which each of n requests is believed: none where none is known."""
        if self.of_everybody is not None:
            return [(self.of_everybody,)] * len(sources.port)
        halves = zip(sources.high.tolist(), sources.low.tolist(), strict=True)
        return [self._keys.get(each, ()) for each in halves]


def _halves(address: str) -> tuple[int, int]:
    """Return the halves of an IPv6 address; IPv4 as ::ffff:a.b.c.d."""
    try:
        parsed = read_destination(address)
    except AddressError as error:
        raise ConfigError(
            f"a key is for no sender: {error.text.en}",
            f"密钥不属于任何发送方：{error.text.zh}",
            key="keys",
            value=address,
        ) from error
    value = int(parsed) | (_MAPPED if parsed.version == 4 else 0)
    return value >> 64, value & _LOW_64

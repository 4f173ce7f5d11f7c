"""1:1 NAT: a plan names the address that peers see, and this machine binds the one that it has.

Machines of clouds have a public address that is on none of their interfaces. The pairs come from
the site file with the plan, or from the owner's file, which counts more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from foundation.errors import ConfigError
from foundation.literals import AddressError, read_destination
from messages.exchange import Plan
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, ip_version_of


class LocalAddresses:
    """Which address stands here for each that the plan names."""

    def __init__(self, owned: Mapping[str, str], plan: Plan | None = None) -> None:
        told = {} if plan is None or plan.local is msgspec.UNSET else plan.local
        self._local = {**told, **owned}

    def of(self, address: str) -> str:
        """Return the address to bind for one of the plan."""
        return self._local.get(address, address)

    def streams(self, specs: Iterable[StreamSpec]) -> list[StreamSpec]:
        """Return streams as they leave from here."""
        return [
            msgspec.structs.replace(spec, source=self._local[spec.source])
            if spec.source in self._local
            else spec
            for spec in specs
        ]

    def reflectors(self, specs: Iterable[ReflectorSpec]) -> tuple[ReflectorSpec, ...]:
        """Return reflectors as they listen here."""
        return tuple(
            msgspec.structs.replace(spec, address=self._local[spec.address])
            if spec.address in self._local
            else spec
            for spec in specs
        )


def read_local_addresses(given: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return the pairs of a configuration file, as plans write addresses. Raises ConfigError."""
    found: dict[str, str] = {}
    for public, local in given.items():
        where: dict[str, Any] = {"file": str(path), "key": f"local_addresses.{public}"}
        try:
            named = str(read_destination(public))
            here = str(read_destination(local, ip_version_of(named)))
        except AddressError as error:
            told = error.text
            raise ConfigError(
                f"{path}: local_addresses: {told.en}.", f"{path}：local_addresses：{told.zh}。",
                **where,
            ) from error  # fmt: skip
        if here in found.values():
            raise ConfigError(
                f"{path}: local_addresses: {here} is given for two addresses; each needs its own.",
                f"{path}：local_addresses：{here} 对应了两个地址；每个地址须各有其本地地址。",
                **where,
            )
        found[named] = here
    return found

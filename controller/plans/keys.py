"""The keys that go with a plan: those of its authenticated streams, and of who probes its agent."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from controller.access.stamp_keyring import StampKeyring
from messages.exchange import Plan, StampKeys
from topology.network import Network


def owners(network: Network) -> dict[str, str]:
    """Return the agent behind each address."""
    return {
        interface.address: site.name
        for site in network.sites.values()
        if not site.external
        for interface in site.interfaces
    }


def keys_of(
    plan: Plan, owner: Mapping[str, str], keyring: StampKeyring
) -> StampKeys | msgspec.UnsetType:
    """Return the keys of a plan; UNSET where nothing of it is authenticated.

    A destination whose agent does not answer to a key yet has none.
    """
    destinations = {spec.destination for spec in plan.streams if spec.type_p.authenticated}
    sources = {peer for spec in plan.reflectors for peer in spec.authenticated or ()}
    if not destinations and not sources:
        return msgspec.UNSET
    epoch, agent = keyring.current(), plan.agent
    probing = {place: keyring.probing(agent, owner[place]) for place in sorted(destinations)}
    return StampKeys(
        epoch=epoch,
        probing={place: key for place, key in probing.items() if key is not None},
        answering={place: keyring.answering(owner[place], agent) for place in sorted(sources)},
    )

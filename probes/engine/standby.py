"""Streams that cannot run now, and why.

What refuses a stream may pass: an address comes late (DHCP, duplicate address detection), or goes
and returns; descriptors, memory, rights or keys are given. So they are tried again whenever
addresses or routes have changed, and at a slow beat for what changes without a word.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from foundation.text import Text
from probes.addresses import split_source
from probes.sockets.obstacles import not_ours
from probes.sockets.routes import is_local
from probes.stream import StreamSpec


class Standby:
    """The streams that wait. What they wait for may be asked on any thread."""

    def __init__(self) -> None:
        self._why: Mapping[StreamSpec, Text] = {}

    def refused(self) -> Mapping[StreamSpec, Text]:
        """Return why each of them does not run."""
        return self._why

    def specs(self) -> list[StreamSpec]:
        """Return the streams that wait."""
        return list(self._why)

    def keep(self, wanted: Container[StreamSpec]) -> None:
        """Forget the streams that are no longer wanted."""
        self._why = {spec: why for spec, why in self._why.items() if spec in wanted}

    def note(
        self, tried: Sequence[StreamSpec], accepted: Iterable[int], why: Iterable[Text]
    ) -> None:
        """Note which of the streams that were tried wait on; `accepted` are indices of the others,
        `why` has the reason of each that waits, in order."""
        begun, again = set(accepted), set(tried)
        waiting = [spec for index, spec in enumerate(tried) if index not in begun]
        told = dict(zip(waiting, why, strict=True))
        kept = {spec: reason for spec, reason in self._why.items() if spec not in again}
        self._why = kept | told

    def take_in(self, running: Iterable[StreamSpec]) -> list[StreamSpec]:
        """Return the running streams whose source address has gone, which now wait for it.

        Sockets bound to it would send on (IPv6) or refuse every probe: either looks like a fault
        of the network.
        """
        bound: dict[str, list[StreamSpec]] = {}
        for spec in running:
            if spec.source:
                bound.setdefault(spec.source, []).append(spec)
        stopped = {
            spec: not_ours(source).text
            for source, specs in bound.items()
            if not is_local(split_source(source)[0] or "")
            for spec in specs
        }
        self._why = {**self._why, **stopped}
        return list(stopped)

"""What answers the requests that reach a reflector.

There are three: `FewResponder` answers the few requests of senders that are known already, one by
one and without numpy; `BatchResponder` whatever else has arrived, as columns; `PortableResponder`
single datagrams where the system gives neither batches nor timestamps.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

Arrived = TypeVar("Arrived", contravariant=True)


class Responder(Protocol[Arrived]):
    """One way to answer what has arrived."""

    def respond(self, arrived: Arrived) -> bool:
        """Answer what deserves an answer and count all of it.

        False: it is for another responder, and nothing has been done with it.
        """

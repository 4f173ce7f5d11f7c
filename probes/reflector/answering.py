"""Serving the sockets of a reflector: whatever has arrived goes to the responder that it is for."""

from __future__ import annotations

from probes.reflector.batch_responder import BatchResponder
from probes.reflector.context import Context
from probes.reflector.few_responder import FewResponder
from probes.reflector.listening import Listener
from probes.reflector.reflection import Reflection
from probes.reflector.responder import Responder
from probes.reflector.screening import Screening
from probes.sockets.ring import Rings

_ROW_BYTES = 9280  # 145 cache lines: rows that do not all fall into one set of the cache
_BATCH = 1024
_ROUNDS = 16  # batches of one socket before the others have their turn


class Answering:
    """What a reflector does with the packets at its listeners; one thread at a time."""

    def __init__(self, context: Context, reflection: Reflection) -> None:
        self.rings = Rings.of(_BATCH, _ROW_BYTES, in_place=True)
        self.screening = Screening(reflection.sessions, context.counts)
        self._responders: tuple[Responder[Listener], ...] = (
            FewResponder(context, self.screening, reflection),
            BatchResponder(context, self.screening, reflection, self.rings),
        )

    def serve(self, listener: Listener) -> None:
        """Answer what has arrived at one socket, at most `_ROUNDS` batches of it."""
        for _ in range(_ROUNDS):
            count = listener.arrived = listener.leaving = listener.socket.take_in()
            if count:
                for responder in self._responders:
                    if responder.respond(listener):
                        break
            listener.collect_timestamps()
            if count < _BATCH:
                return

"""From answers to delays: what is known of a probe once it has been answered, or never will be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.accumulate import LATE as FATE_LATE
from probes.accumulate import RECEIVED, Finished
from probes.channel import Replies
from probes.ledger import LATE, ON_TIME, Ledger, Matched
from probes.stamp_batch import ReflectorFields
from probes.tcp import ANSWER_CLOSED, ANSWER_OPEN
from probes.timescale import TimeScale

_SENDER_TTL = 255.0  # what our STAMP packets leave with
_USUAL_TTLS = np.array([64.0, 128.0, 255.0])  # what hosts send with


@dataclass(frozen=True, slots=True)
class _OneWay:
    """One-way delays and the reflector's own part, float64[n]; NaN where unknown."""

    residence_ns: NDArray[np.float64]
    forward_ns: NDArray[np.float64]
    backward_ns: NDArray[np.float64]
    bound_ns: NDArray[np.float64]
    hops: NDArray[np.float32]


def finish_answered(
    ledger: Ledger, scale: TimeScale, matched: Matched, replies: Replies, own_bound_ns: float
) -> Finished:
    """Enter answers into their rows and return the probes they finish.

    The round trip is (T4 - T1) - (T3 - T2) where the reflector told T2 and T3, else T4 - T1, on
    the monotonic scale (RFC 8762 §4; MEASUREMENT D.2).
    """
    row, place = matched.row, matched.answer
    rows = ledger.rows
    probe = rows[row]
    session = ledger.sessions[probe["session"]]
    arrived_wall_ns = scale.seen_wall_ns(replies.stamp_ns[place])
    total_ns = scale.to_monotonic_ns(arrived_wall_ns) - probe["sent_ns"]
    one_way = _one_way(replies.reflector, place, probe, arrived_wall_ns, own_bound_ns)
    residence_ns = one_way.residence_ns
    sound = (residence_ns >= 0) & (residence_ns <= total_ns)
    rtt_ns = total_ns - np.where(sound, residence_ns, 0.0)
    late = total_ns > session["timeout_ns"]
    later_ns = _later_pairs(ledger, matched)
    rows["state"][row] = np.where(late, LATE, ON_TIME)
    rows["rtt_ns"][row] = np.where(late, np.nan, rtt_ns)
    if replies.reflector is not None:
        _note_reflector(ledger, row, replies.reflector.sequence[place])
    stepped = probe["sent_ns"] <= scale.stepped_ns if scale.steps else False
    return _finished(
        ledger,
        row,
        rtt_ns=rtt_ns,
        forward_ns=one_way.forward_ns,
        backward_ns=one_way.backward_ns,
        bound_ns=np.where(stepped, np.nan, one_way.bound_ns),
        variation_ns=_variation(ledger, row, later_ns),
        hops_forward=one_way.hops,
        hops_backward=_hops_since(replies.ttl[place]),
        fate=np.where(late, FATE_LATE, RECEIVED).astype(np.uint8),
        stamping=np.minimum(probe["sent_kind"], replies.stamp_kind[place]),
        answer=port_answers(ledger, probe["session"], replies.answer[place]),
        reordered=matched.reordered,
    )


def duplicates(
    ledger: Ledger, scale: TimeScale, matched: Matched, replies: Replies
) -> NDArray[np.int64]:
    """Return the rows whose second answers are duplicates: those within the waiting limit.

    RFC 5560 §3.1 asks for such a limit. It also keeps out the SYN-ACKs that a server sends again.
    """
    row: NDArray[np.int64] = matched.repeated
    arrived_wall_ns = scale.seen_wall_ns(replies.stamp_ns[matched.repeated_answer])
    waited_ns = scale.to_monotonic_ns(arrived_wall_ns) - ledger.rows["sent_ns"][row]
    limit_ns = ledger.sessions["timeout_ns"][ledger.rows["session"][row]]
    in_time: NDArray[np.int64] = row[waited_ns <= limit_ns]
    return in_time


def port_answers(
    ledger: Ledger, session: NDArray[np.int32], answer: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return what each answer says, in order of arrival; RST after SYN-ACK still means open.

    A SYN that meets the half-open connection of the one before (probes closer together than the
    round trip, or our RST was lost) is answered with RST and ends it (RFC 9293 §3.10.7.4), so an
    open port may answer every second SYN with RST. A closed one answers RST after RST.
    """
    if not (answer == ANSWER_CLOSED).any():
        ledger.sessions["last_answer"][session] = answer
        return answer
    order = np.argsort(session, kind="stable")
    of, ordered = session[order], answer[order]
    starts = np.concatenate([[True], of[1:] != of[:-1]])
    shifted = np.concatenate([answer[:1], ordered[:-1]])
    before = np.where(starts, ledger.sessions["last_answer"][of], shifted)
    read = answer.copy()
    met_half_open = (ordered == ANSWER_CLOSED) & (before == ANSWER_OPEN)
    read[order] = np.where(met_half_open, ANSWER_OPEN, ordered)
    ledger.sessions["last_answer"][of] = ordered  # of several the last assignment stands
    return read


def finish_unanswered(
    ledger: Ledger, row: NDArray[np.int64], fate: NDArray[np.uint8], state: int
) -> Finished:
    """Give probes that no answer will come for their fate, and their rows their state."""
    ledger.rows["state"][row] = state
    nothing = np.full(len(row), np.nan)
    unknown = np.full(len(row), np.nan, np.float32)
    zero = np.zeros(len(row), np.uint8)
    return _finished(
        ledger,
        row,
        rtt_ns=nothing,
        forward_ns=nothing,
        backward_ns=nothing,
        bound_ns=nothing,
        variation_ns=nothing,
        hops_forward=unknown,
        hops_backward=unknown,
        fate=fate,
        stamping=zero,
        answer=zero,
        reordered=np.zeros(len(row), np.bool_),
    )


def _finished(ledger: Ledger, row: NDArray[np.int64], **known: NDArray[Any]) -> Finished:
    """Join what the ledger knows of the probes with what their fate added."""
    probe = ledger.rows[row]
    session = ledger.sessions[probe["session"]]
    return Finished(
        window=probe["window"],
        stream=session["stream"],
        flow=session["flow"],
        sequence=probe["sequence"],
        sent_wall_ns=probe["sent_wall_ns"],
        lateness_ns=probe["lateness_ns"],
        **known,
    )


def _one_way(
    fields: ReflectorFields | None,
    place: NDArray[np.int64],
    probe: NDArray[Any],
    arrived_wall_ns: NDArray[np.int64],
    own_bound_ns: float,
) -> _OneWay:
    """Return what the reflector's stamps say; negative delays are kept (clocks disagree)."""
    if fields is None:
        nothing = np.full(len(place), np.nan)
        return _OneWay(nothing, nothing, nothing, nothing, nothing.astype(np.float32))
    t2_ns, t3_ns = fields.receive_wall_ns[place], fields.transmit_wall_ns[place]
    peer_ns = np.where(fields.synchronised[place], fields.error_ns[place], np.nan)
    return _OneWay(
        residence_ns=(t3_ns - t2_ns).astype(np.float64),
        forward_ns=(t2_ns - probe["sent_wall_ns"]).astype(np.float64),
        backward_ns=(arrived_wall_ns - t3_ns).astype(np.float64),
        bound_ns=peer_ns + own_bound_ns,
        hops=np.float32(_SENDER_TTL) - fields.sender_ttl[place],
    )


def _note_reflector(ledger: Ledger, row: NDArray[np.int64], reflector: NDArray[np.uint32]) -> None:
    """Remember the reflector's numbers, and that it counts by itself where they are not ours."""
    number = reflector.astype(np.int64)
    probe = ledger.rows[row]
    ledger.rows["reflector"][row] = number
    own = number != probe["sequence"] & 0xFFFFFFFF
    ledger.sessions["stateful"][probe["session"][own]] = True


def _later_pairs(ledger: Ledger, matched: Matched) -> NDArray[np.float64]:
    """Return the round trip of each probe's successor where that was answered first, else NaN."""
    if not matched.reordered.any():
        return np.full(len(matched.row), np.nan)
    after, held = ledger.neighbours(matched.row, 1)
    return np.where(held, ledger.rows["rtt_ns"][after], np.nan)


def _variation(
    ledger: Ledger, row: NDArray[np.int64], later_ns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return |D(i) - D(i-1)| (RFC 3393) for each newly answered row; NaN where i-1 has none.

    If the later of two neighbours was answered first, the pair belongs to the earlier one.
    """
    own_ns = ledger.rows["rtt_ns"][row]
    before, held = ledger.neighbours(row, -1)
    variation = np.where(held, np.abs(own_ns - ledger.rows["rtt_ns"][before]), np.nan)
    return np.where(np.isnan(variation), np.abs(later_ns - own_ns), variation)


def _hops_since(ttl: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how many routers a packet passed, if it left with one of the usual TTLs."""
    left_with = _USUAL_TTLS[np.searchsorted(_USUAL_TTLS, np.minimum(ttl, 255))]
    return np.where(ttl == 0, np.nan, left_with - ttl).astype(np.float32)

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
from probes.records import distinct, put_records, records
from probes.stamp_batch import ReflectorFields
from probes.tcp import ANSWER_CLOSED, ANSWER_OPEN
from probes.timescale import TimeScale

_SENDER_TTL = 255.0  # what our STAMP packets leave with
_FOLLOW_UP_REACH = 64  # how many probes back a Follow-Up may speak of
_GAPS = (0, 1, -1, 2, 3)  # forward losses in between, of which the reflector knows nothing
_SILENT_ANSWERS = 4  # after so many answers without any, a reflector is not waited for
_USUAL_TTLS = np.array([64.0, 128.0, 255.0])  # what hosts send with
_OF_THE_RECORD = ("window", "sequence", "sent_wall_ns", "cause", "lateness_ns")


def _hops_by_ttl() -> NDArray[np.float32]:
    """Return for each TTL how many routers took from the usual TTL above it; NaN for 0."""
    ttl = np.arange(256)
    hops = _USUAL_TTLS[np.searchsorted(_USUAL_TTLS, ttl)] - ttl
    return np.where(ttl == 0, np.nan, hops).astype(np.float32)


_HOPS_SINCE = _hops_by_ttl()


@dataclass(frozen=True, slots=True)
class _OneWay:
    """One-way delays and the reflector's own part, float64[n]; NaN where unknown."""

    residence_ns: NDArray[np.float64]
    forward_ns: NDArray[np.float64]
    backward_ns: NDArray[np.float64]
    bound_ns: NDArray[np.float64]
    hops: NDArray[np.float32]


def enter_answers(
    ledger: Ledger, scale: TimeScale, matched: Matched, replies: Replies, own_bound_ns: float
) -> None:
    """Enter answers into their rows, which are then held until they are finished.

    The round trip is (T4 - T1) - (T3 - T2) where the reflector told T2 and T3, else T4 - T1, on
    the monotonic scale (RFC 8762 §4; MEASUREMENT D.2).
    """
    row, place = matched.row, matched.answer
    rows = ledger.rows
    probe = records(rows, row)
    session = records(ledger.sessions, probe["session"])
    arrived_wall_ns = scale.seen_wall_ns(replies.stamp_ns[place])
    total_ns = scale.to_monotonic_ns(arrived_wall_ns) - probe["sent_ns"]
    one_way = _one_way(replies.reflector, place, probe, arrived_wall_ns, own_bound_ns)
    residence_ns = one_way.residence_ns
    sound = (residence_ns >= 0) & (residence_ns <= total_ns)
    rtt_ns = total_ns - np.where(sound, residence_ns, 0.0)
    late = total_ns > session["timeout_ns"]
    stepped = probe["sent_ns"] <= scale.stepped_ns if scale.steps else False
    probe["state"] = np.where(late, LATE, ON_TIME)
    probe["rtt_ns"] = np.where(late, np.nan, rtt_ns)
    probe["forward_ns"] = one_way.forward_ns
    probe["backward_ns"] = one_way.backward_ns
    probe["bound_ns"] = np.where(stepped, np.nan, one_way.bound_ns)
    probe["hops_forward"] = one_way.hops
    probe["hops_backward"] = _HOPS_SINCE[replies.ttl[place]]
    probe["stamping"] = np.minimum(probe["sent_kind"], replies.stamp_kind[place])
    probe["answer"] = port_answers(ledger, probe["session"], replies.answer[place])
    probe["reordered"] = matched.reordered
    probe["held"] = True
    if replies.reflector is not None:
        probe["transmit_ns"] = replies.reflector.transmit_wall_ns[place]
        _note_reflector(ledger, probe, replies.reflector.sequence[place])
    put_records(rows, row, probe)


def take_follow_ups(
    ledger: Ledger, matched: Matched, replies: Replies
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put the reflector's true departure times in place of T3; return (rows to finish, to hold).

    Follow-Up Telemetry (RFC 8972 §4.7) comes one reply late: a reply tells when an earlier one of
    its session truly left. T3 itself was written before the packet left, so the round trip and the
    way back are too long by what passed in between, until this corrects them.
    """
    row, fields = matched.row, replies.reflector
    if fields is None or not replies.asks_follow_up:
        return row, row[:0]
    rows = ledger.rows
    told = fields.follow_up_valid[matched.answer]
    number = fields.follow_up_sequence[matched.answer].astype(np.int64)
    left_ns = fields.follow_up_wall_ns[matched.answer]
    corrected = []
    sought = np.flatnonzero(told)
    back = rows["reflector"][row] - number  # replies of the session since the one spoken of
    for gap in _GAPS:
        step = back[sought] + gap
        sought, step = (each[(step > 0) & (step <= _FOLLOW_UP_REACH)] for each in (sought, step))
        if not len(sought):
            break
        earlier, known = ledger.neighbours(row[sought], -step)
        hit = known & rows["held"][earlier] & (rows["reflector"][earlier] == number[sought])
        corrected.append(_corrected(rows, earlier[hit], left_ns[sought[hit]]))
        sought = sought[~hit]
    session = rows["session"][row]
    silent = np.where(told, 0, np.minimum(ledger.sessions["silent"][session], 254) + 1)
    ledger.sessions["silent"][session] = silent
    worthwhile = (silent < _SILENT_ANSWERS) & (ledger.sessions["hold_ns"][session] > 0)
    keep = worthwhile & (rows["state"][row] == ON_TIME)
    return distinct(np.concatenate([row[~keep], *corrected])), row[keep]


def _corrected(
    rows: NDArray[Any], row: NDArray[np.int64], left_ns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Move T3 of held rows to the true departure, unless that contradicts the other stamps."""
    early_ns = (left_ns - rows["transmit_ns"][row]).astype(np.float64)
    received_ns = rows["sent_wall_ns"][row] + rows["forward_ns"][row]
    sound = (rows["rtt_ns"][row] >= early_ns) & (left_ns >= received_ns)
    shift_ns = np.where(sound, early_ns, 0.0)
    rows["rtt_ns"][row] -= shift_ns
    rows["backward_ns"][row] -= shift_ns
    rows["transmit_ns"][row] += shift_ns.astype(np.int64)  # so that a second telling moves nothing
    return row


def finish_answered(ledger: Ledger, row: NDArray[np.int64]) -> Finished:
    """Return the probes of held rows as finished; their rows stay in the ledger as answered."""
    rows = ledger.rows
    probe = records(rows, row)
    finished = _finished(
        ledger,
        probe,
        rtt_ns=probe["rtt_ns"],
        forward_ns=probe["forward_ns"],
        backward_ns=probe["backward_ns"],
        bound_ns=probe["bound_ns"].astype(np.float64),
        variation_ns=_variation(ledger, row),
        hops_forward=probe["hops_forward"],
        hops_backward=probe["hops_backward"],
        fate=np.where(probe["state"] == LATE, FATE_LATE, RECEIVED).astype(np.uint8),
        stamping=probe["stamping"],
        answer=probe["answer"],
        reordered=probe["reordered"],
    )
    rows["held"][row] = False
    return finished


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
        records(ledger.rows, row),
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


def _finished(ledger: Ledger, probe: NDArray[Any], **known: NDArray[Any]) -> Finished:
    """Join what the ledger knows of the probes with what their fate added.

    Columns are copies: a window keeps them, and views would keep whole records alive.
    """
    session = probe["session"]
    columns = {
        "stream": ledger.sessions["stream"][session],
        "flow": ledger.sessions["flow"][session],
        **{name: probe[name] for name in _OF_THE_RECORD},
        **known,
    }
    return Finished(**{name: np.ascontiguousarray(column) for name, column in columns.items()})


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


def _note_reflector(ledger: Ledger, probe: NDArray[Any], reflector: NDArray[np.uint32]) -> None:
    """Remember the reflector's numbers, and that it counts by itself where they are not ours."""
    number = reflector.astype(np.int64)
    probe["reflector"] = number
    own = number != probe["sequence"] & 0xFFFFFFFF
    ledger.sessions["stateful"][probe["session"][own]] = True


def _variation(ledger: Ledger, row: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return |D(i) - D(i-1)| (RFC 3393) of each row; NaN where i-1 has no round trip.

    Where the later of two neighbours was finished first, the pair belongs to the earlier one.
    """
    rows = ledger.rows
    own_ns = rows["rtt_ns"][row]
    before, known = ledger.neighbours(row, -1)
    variation = np.where(known, np.abs(own_ns - rows["rtt_ns"][before]), np.nan)
    if not rows["reordered"][row].any():
        return variation
    after, known = ledger.neighbours(row, 1)
    finished = known & ~rows["held"][after] & (rows["state"][after] == ON_TIME)
    later_ns = np.where(finished, rows["rtt_ns"][after], np.nan)
    usable = np.isnan(variation) & rows["reordered"][row]
    return np.where(usable, np.abs(later_ns - own_ns), variation)

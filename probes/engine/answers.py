"""From answers to delays: what is known of a probe once it has been answered, or never will be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.channels.channel import Replies
from probes.channels.codec import ANSWER_CLOSED, ANSWER_OPEN, ANSWER_REPLY
from probes.clocks.timescale import TimeScale
from probes.engine.accumulate import LATE as OUTCOME_LATE
from probes.engine.accumulate import RECEIVED, Finished
from probes.engine.ledger import LATE, ON_TIME, Ledger
from probes.engine.matching import Matched
from probes.sockets.error_queue import USER_TIMESTAMP
from probes.sockets.records import chosen, distinct, put_records, records
from probes.stamp.batch import ReflectorFields
from probes.stamp.nonconforming import CLOCK, ECHO, ORDER, TIMESTAMPS, mark

_FAR_NS = 366 * 86_400e9  # no clock is so wrong: its format or epoch is another
_SENDER_TTL = 255.0  # what our STAMP packets leave with
_FOLLOW_UP_REACH = 64  # how many probes back a Follow-Up may speak of
_GAPS = (0, 1, -1, 2, 3)  # forward losses in between, of which the reflector knows nothing
_SILENT_ANSWERS = 4  # after so many answers without any, a reflector is not waited for
_OF_THE_RECORD = ("window", "sent_wall_ns", "cause", "send_lag_ns")
_OF_THE_ANSWER = (
    "rtt_ns",
    "forward_ns",
    "backward_ns",
    "bound_ns",
    "hops_forward",
    "tos_forward",
    "tos_backward",
    "ttl",
    "timestamping",
    "answer",
    "reordered",
)
_FOR_OTHERS = ("state", "rtt_ns", "reflector")  # what the session's other probes ask a row for


def read_answers(
    ledger: Ledger, scale: TimeScale, matched: Matched, replies: Replies, own_bound_ns: float
) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint16] | None]:
    """Return what answers say of their probes, as columns of the ledger's rows, and how a
    reflector's are odd (`probes.stamp.nonconforming`).

    The round trip is (T4 - T1) - (T3 - T2) where the reflector told T2 and T3, else T4 - T1, on the
    monotonic scale (RFC 8762 §4; docs/concepts/measurement.md §4.2). Where T2 and T3 cannot be true
    there is no one-way delay, and the round trip is T4 - T1.
    """
    odd = None
    row, place, rows = matched.row, matched.answer, ledger.rows
    arrived_wall_ns = scale.seen_wall_ns(chosen(replies.timestamp_ns, place))
    sent_ns = rows["sent_ns"][row]
    arrived_ns = scale.to_monotonic_ns(arrived_wall_ns, sent_ns)
    timestamping = np.minimum(rows["sent_kind"][row], chosen(replies.timestamp_kind, place))
    early = arrived_ns < sent_ns
    # Where the clock moved as it timestamped, or timestamped wrongly, the time of reading is known.
    if scale.is_unsettled or early.any():
        sound = scale.is_possible(arrived_ns, sent_ns)
        arrived_ns = np.where(sound, arrived_ns, scale.monotonic_ns())
        timestamping = np.where(sound, timestamping, np.uint8(USER_TIMESTAMP))
    total_ns = np.maximum(arrived_ns - sent_ns, 0)  # what is possible may still be early by a bit
    late = total_ns > ledger.sessions["timeout_ns"][matched.session]
    said = {
        "state": np.where(late, np.uint8(LATE), np.uint8(ON_TIME)),
        "rtt_ns": total_ns.astype(np.float64),
        "ttl": chosen(replies.ttl, place),
        "tos_backward": chosen(replies.tos, place),
        "timestamping": timestamping,
        "answer": port_answers(ledger, matched.session, chosen(replies.answer, place)),
        "reordered": matched.reordered,
    }
    if replies.reflector is None:
        nothing = np.full(len(place), np.nan)
        said |= dict.fromkeys(("forward_ns", "backward_ns", "bound_ns"), nothing)
        said["hops_forward"] = nothing.astype(np.float16)
        said["tos_forward"] = np.full(len(place), -1, np.int16)
    else:
        fields = replies.reflector
        sent_wall_ns = rows["sent_wall_ns"][row]
        said |= _one_way(fields, place, sent_wall_ns, arrived_wall_ns, own_bound_ns)
        residence_ns = said["transmit_ns"] - chosen(fields.receive_wall_ns, place)
        odd = _nonconformities(fields, matched, said, residence_ns, total_ns)
        untrue = odd & (TIMESTAMPS | ORDER) != 0
        if untrue.any():
            residence_ns = np.where(untrue, 0, residence_ns)
            for name in ("forward_ns", "backward_ns", "bound_ns"):
                said[name] = np.where(untrue, np.nan, said[name])
        said["rtt_ns"] -= residence_ns
        said["reflector"] = _note_reflector(ledger, matched, chosen(fields.sequence, place))
    if scale.changes:
        said["bound_ns"] = np.where(sent_ns <= scale.changed_ns, np.nan, said["bound_ns"])
    if late.any():
        said["rtt_ns"][late] = np.nan
    return said, odd


def hold_answers(ledger: Ledger, row: NDArray[np.int64], said: dict[str, NDArray[Any]]) -> None:
    """Write what answers said into the rows of their probes, which are held until finished."""
    probe = records(ledger.rows, row)
    for name, column in said.items():
        probe[name] = column
    probe["held"] = True
    put_records(ledger.rows, row, probe)


def finish_at_once(ledger: Ledger, matched: Matched, said: dict[str, NDArray[Any]]) -> Finished:
    """Return probes as finished that wait for nothing after their answer."""
    row, rows = matched.row, ledger.rows
    for name in _FOR_OTHERS:
        if name in said:
            rows[name][row] = said[name]
    return _finished(
        ledger,
        matched.session,
        matched.sequence,
        outcome=_outcomes(said["state"]),
        variation_ns=_variation(ledger, matched.session, matched.sequence, said),
        **{name: rows[name][row] for name in _OF_THE_RECORD},
        **{name: said[name] for name in _OF_THE_ANSWER},
    )


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
    """Move T3 of held rows to the true departure, unless that contradicts the other timestamps."""
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
    ledger.rows["held"][row] = False
    probe = records(ledger.rows, row)
    return _finished(
        ledger,
        probe["session"],
        probe["sequence"],
        outcome=_outcomes(probe["state"]),
        variation_ns=_variation(ledger, probe["session"], probe["sequence"], probe),
        **{name: probe[name] for name in (*_OF_THE_RECORD, *_OF_THE_ANSWER)},
    )


def _outcomes(state: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(state == LATE, np.uint8(OUTCOME_LATE), np.uint8(RECEIVED))


def duplicates(
    ledger: Ledger, scale: TimeScale, matched: Matched, replies: Replies
) -> NDArray[np.int64]:
    """Return the rows whose second answers are duplicates: those within the waiting time.

    RFC 5560 §3.2 asks for such a limit. It also keeps out the SYN-ACKs that a server sends again.
    """
    row: NDArray[np.int64] = matched.repeated
    arrived_wall_ns = scale.seen_wall_ns(replies.timestamp_ns[matched.repeated_answer])
    sent_ns = ledger.rows["sent_ns"][row]
    waited_ns = scale.to_monotonic_ns(arrived_wall_ns, sent_ns) - sent_ns
    limit_ns = ledger.sessions["timeout_ns"][ledger.rows["session"][row]]
    in_time: NDArray[np.int64] = row[waited_ns <= limit_ns]
    return in_time


def port_answers(
    ledger: Ledger, session: NDArray[Any], answer: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return what each answer says, in order of arrival; RST after SYN-ACK still means open.

    A SYN that meets the half-open connection of the one before (probes closer together than the
    round trip, or our RST was lost) is answered with RST and ends it (RFC 9293 §3.10.7.4), so an
    open port may answer every second SYN with RST. A closed one answers RST after RST.
    """
    if (answer == ANSWER_REPLY).all():  # no port was asked
        return answer
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
    ledger: Ledger, row: NDArray[np.int64], outcome: NDArray[np.uint8], state: int
) -> Finished:
    """Give probes that no answer will come for their outcome, and their rows their state."""
    ledger.rows["state"][row] = state
    nothing = np.full(len(row), np.nan)
    zero = np.zeros(len(row), np.uint8)
    answer = dict.fromkeys(_OF_THE_ANSWER, nothing)
    answer["hops_forward"] = nothing.astype(np.float16)
    answer |= dict.fromkeys(("tos_forward", "tos_backward"), np.full(len(row), -1, np.int16))
    answer |= {"ttl": zero, "timestamping": zero, "answer": zero, "reordered": zero.view(np.bool_)}
    probe = records(ledger.rows, row)
    return _finished(
        ledger,
        probe["session"],
        probe["sequence"],
        outcome=outcome,
        variation_ns=nothing,
        **{name: probe[name] for name in _OF_THE_RECORD},
        **answer,
    )


def _finished(
    ledger: Ledger, session: NDArray[Any], sequence: NDArray[Any], **columns: NDArray[Any]
) -> Finished:
    """Join what is known of probes with their sessions'.

    Columns are copies: a window keeps them, and views would keep whole records alive.
    """
    return Finished(
        stream=ledger.sessions["stream"][session],
        flow=ledger.sessions["flow"][session],
        tos=ledger.sessions["tos"][session],
        sequence=np.ascontiguousarray(sequence),
        **{name: np.ascontiguousarray(column) for name, column in columns.items()},
    )


def _one_way(
    fields: ReflectorFields,
    place: NDArray[np.int64],
    sent_wall_ns: NDArray[np.int64],
    arrived_wall_ns: NDArray[np.int64],
    own_bound_ns: float,
) -> dict[str, NDArray[Any]]:
    """Return what the reflector's timestamps say; negative delays are kept (clocks disagree)."""
    t2_ns, t3_ns = chosen(fields.receive_wall_ns, place), chosen(fields.transmit_wall_ns, place)
    peer_ns = np.where(chosen(fields.synchronised, place), chosen(fields.error_ns, place), np.nan)
    return {
        "transmit_ns": t3_ns,
        "forward_ns": (t2_ns - sent_wall_ns).astype(np.float64),
        "backward_ns": (arrived_wall_ns - t3_ns).astype(np.float64),
        "bound_ns": peer_ns + own_bound_ns,
        "hops_forward": (_SENDER_TTL - chosen(fields.sender_ttl, place)).astype(np.float16),
        "tos_forward": chosen(fields.sender_tos, place),
    }


def _nonconformities(
    fields: ReflectorFields,
    matched: Matched,
    said: Mapping[str, NDArray[Any]],
    residence_ns: NDArray[np.int64],
    total_ns: NDArray[np.int64],
) -> NDArray[np.uint16]:
    """Return what is odd about answers, with what only their probes' own times tell."""
    odd = chosen(fields.odd, matched.answer).copy()
    forward_ns, backward_ns = said["forward_ns"], said["backward_ns"]
    far = (np.abs(forward_ns) > _FAR_NS) | (np.abs(backward_ns) > _FAR_NS)
    mark(odd, far, TIMESTAMPS)
    timed = odd & TIMESTAMPS == 0
    ordered = (residence_ns >= 0) & (residence_ns <= total_ns)
    mark(odd, timed & ~ordered, ORDER)
    least_ns = np.minimum(forward_ns, backward_ns)
    mark(odd, timed & ordered & (least_ns < -said["bound_ns"]), CLOCK)
    if matched.unproven is not None:
        mark(odd, matched.unproven, ECHO)
    return odd


def _note_reflector(
    ledger: Ledger, matched: Matched, reflector: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """Return the reflector's numbers; remember that it counts by itself where they are not ours."""
    number = reflector.astype(np.int64)
    own = number != matched.sequence & 0xFFFFFFFF
    ledger.sessions["stateful"][matched.session[own]] = True
    return number


def _variation(
    ledger: Ledger,
    session: NDArray[Any],
    sequence: NDArray[np.int64],
    own: Mapping[str, NDArray[Any]] | NDArray[Any],
) -> NDArray[np.float64]:
    """Return |D(i) - D(i-1)| (RFC 3393) of each probe; NaN where i-1 has no round trip.

    Where the later of two neighbours was finished first, the pair belongs to the earlier one.
    """
    rows, own_ns, reordered = ledger.rows, own["rtt_ns"], own["reordered"]
    before, known = ledger.near(session, sequence - 1)
    variation = np.where(known, np.abs(own_ns - rows["rtt_ns"][before]), np.nan)
    if not reordered.any():
        return variation
    after, known = ledger.near(session, sequence + 1)
    finished = known & ~rows["held"][after] & (rows["state"][after] == ON_TIME)
    later_ns = np.where(finished, rows["rtt_ns"][after], np.nan)
    return np.where(np.isnan(variation) & reordered, np.abs(later_ns - own_ns), variation)

"""STAMP (RFC 8762, RFC 8972): the front door of the codec. Bytes in, values out; no socket."""

from probes.stamp_batch import (
    BASE_BYTES,
    FOLLOW_UP_BYTES,
    SHORT_REPLY_BYTES,
    SHORT_REQUEST_BYTES,
    ReflectorFields,
    SenderFields,
    read_reflector_packets,
    read_sender_packets,
    write_follow_up,
    write_reflector_packets,
    write_sender_packets,
    write_transmit_time,
)

__all__ = [
    "BASE_BYTES",
    "FOLLOW_UP_BYTES",
    "SHORT_REPLY_BYTES",
    "SHORT_REQUEST_BYTES",
    "ReflectorFields",
    "SenderFields",
    "read_reflector_packets",
    "read_sender_packets",
    "write_follow_up",
    "write_reflector_packets",
    "write_sender_packets",
    "write_transmit_time",
]

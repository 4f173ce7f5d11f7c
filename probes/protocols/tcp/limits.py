"""How long a SYN is, and how long its answer may take."""

SEGMENT_BYTES = 24  # a header with an MSS option
# A server that misses our RST sends its SYN-ACK again (`probes.protocols.tcp.segments`); a timer
# may be early by one tick of the slowest kernel (100 Hz).
SYN_LIMIT_NS = 990_000_000

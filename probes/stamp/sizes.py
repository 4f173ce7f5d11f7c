"""The port and the packet sizes of STAMP (RFC 8762)."""

STAMP_PORT = 862  # §4.1
STAMP_BASE_BYTES = 44  # §4.2.1, unauthenticated
STAMP_AUTHENTICATED_BYTES = 112  # §4.2.2

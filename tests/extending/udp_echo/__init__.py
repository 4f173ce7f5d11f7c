"""A probe protocol for the sake of the example: UDP echo (RFC 862). All of it is in this folder."""

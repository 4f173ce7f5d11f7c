"""What can be sent as a probe: one folder a protocol, each registered once."""

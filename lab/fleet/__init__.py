"""A whole fleet on one machine: an emulated WAN with known truth, or this machine's own networks."""

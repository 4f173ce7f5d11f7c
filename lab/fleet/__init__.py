"""A whole fleet on one machine: over an emulated WAN with known truth, or over its own networks."""

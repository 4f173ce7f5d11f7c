"""A whole fleet on one machine, with real packets and known truth."""

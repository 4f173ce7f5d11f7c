"""Harm is done to a real fleet, and every probe is accounted for afterwards."""

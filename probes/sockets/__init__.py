"""Sockets in batches over numpy memory, with kernel timestamps."""

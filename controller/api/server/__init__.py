"""The sockets that callers reach, and who gives way when there are too many."""

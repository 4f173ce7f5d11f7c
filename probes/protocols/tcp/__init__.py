"""TCP SYN, and connect() where raw sockets are not allowed."""

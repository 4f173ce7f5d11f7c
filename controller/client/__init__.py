"""The command line's side of the HTTP API."""

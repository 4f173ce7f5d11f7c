"""The terminal UI: a client of the controller's HTTP API, and of nothing else of ours."""

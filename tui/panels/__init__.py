"""One file per panel of the terminal UI."""

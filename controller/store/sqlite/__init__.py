"""The engine that comes with the controller: one SQLite database in the data directory."""

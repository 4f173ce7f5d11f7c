"""Pure view models: documents in, rows and words out. No terminal, no clock, no socket."""

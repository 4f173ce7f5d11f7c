"""The probe engine: what is due leaves, what comes back finds its probe, and its fate."""

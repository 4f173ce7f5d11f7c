"""The probe engine: what is due leaves, what comes back finds its probe and decides its outcome."""

"""Plans, ingest, store, verdicts, campaigns, reports and the HTTP API."""

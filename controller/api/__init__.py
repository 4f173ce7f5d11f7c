"""The HTTP API: declared routes, documents, OpenAPI, events, metrics."""

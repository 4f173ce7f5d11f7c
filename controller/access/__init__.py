"""Keys: the private authority, credentials, roles, and the gate before every route."""

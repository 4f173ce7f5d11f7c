"""What the API says, declared once: the server encodes these, OpenAPI is generated from them.

Times are nanoseconds since 1970 (`*_ns`), delays nanoseconds, ratios 0-1; what is unknown is null.
docs/reference/api.md describes each item for people.
"""

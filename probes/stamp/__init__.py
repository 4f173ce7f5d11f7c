"""STAMP packets: RFC 8762 and RFC 8972, one by one and by the thousand."""

"""STAMP over UDP, as a Session-Sender: the wire formats are in probes/stamp."""

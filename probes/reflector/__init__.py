"""The Session-Reflector of STAMP: who is answered, with what, and when it left."""

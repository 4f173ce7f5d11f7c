"""Sockets with the codec of their protocol: what the engine sends and receives through."""

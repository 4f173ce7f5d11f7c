"""What the network is and what is asked of it. Reads files, opens no socket."""

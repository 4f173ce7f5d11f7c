"""How a measurement is made: codecs, batch sockets, pacing, flows, histograms, windows.

Nothing here opens a file or knows of the controller, the agent or the map of the network.
"""

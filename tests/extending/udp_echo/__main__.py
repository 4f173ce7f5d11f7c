"""Isochrone with UDP echo: `python -m udp_echo COMMAND` is `isochrone COMMAND`.

A built-in protocol is registered in probes/protocols/registry.py; this one is added from outside,
before anything has asked which there are.
"""

import sys

from probes.protocols.registry import register
from udp_echo.descriptor import ECHO

register(ECHO)

if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        from udp_echo.measure import measure

        measure(sys.argv[2])
    else:
        from isochrone import main

        main()

"""The daemon a carrier deploys: its plan, its run loop, its spool and its uplink."""

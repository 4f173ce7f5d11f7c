"""The engine and the reflector under the plan of the moment, and what they have to tell."""

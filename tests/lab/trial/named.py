"""Families of cases by name, and those that are promised."""

from lab.trial.families import FAMILIES
from lab.trial.family import Family

PROMISED = [family for family in FAMILIES if family.promised]
SINGLE = [family for family in PROMISED if family.pair is None]


def family(name: str) -> Family:
    return next(family for family in FAMILIES if family.name == name)

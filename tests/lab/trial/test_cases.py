"""All cases of a trial: so many of each family, the same for the same seed."""

from lab.trial.cases import shares
from lab.trial.families import FAMILIES
from tests.lab.trial.named import PROMISED


def test_names_are_unique_and_every_family_gets_its_share():
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))
    assert sum(shares(PROMISED, 200)) == 200
    assert min(shares(PROMISED, 200)) >= 1

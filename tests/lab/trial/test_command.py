"""`isochrone truth`: where its result goes, and what cannot be asked."""

import json

import pytest
from click.testing import CliRunner

from foundation.errors import ConfigError
from lab.trial.command import truth


def test_a_file_that_cannot_be_written_is_said_before_anything_is_tried(tmp_path):
    ran = CliRunner().invoke(truth, ["--cases", "100000", "--json", str(tmp_path / "none" / "x")])
    assert "--json" in str(ran.exception)


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path):
    file = tmp_path / "truth.json"
    file.write_text("of last week")
    words = ["--cases", "2", "--seed", "4", "--json", str(file)]
    refused = CliRunner().invoke(truth, words)
    assert isinstance(refused.exception, ConfigError)
    assert file.read_text() == "of last week"
    assert CliRunner().invoke(truth, [*words, "--overwrite"]).exit_code == 0
    found = json.loads(file.read_text())
    assert (found["cases"], found["seed"]) == (2, 4)


@pytest.mark.parametrize("words", [["--cases", "0"], ["--seed", "-1"], ["--seed", str(1 << 53)]])
def test_what_no_trial_has_is_refused(words):
    assert CliRunner().invoke(truth, words).exit_code == 2

"""Tests of campaigns find what they ask a controller with."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

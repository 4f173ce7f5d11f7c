"""The reflector's tables hash under secrets: here the same ones each time, so none ever collide."""

import random
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _same_secrets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.randbits", random.Random(862).getrandbits)
        yield

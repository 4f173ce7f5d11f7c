"""Counts of verdicts and compliance rates as the API says them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.documents.targets import ComplianceDocument, VerdictCounts
from controller.judge.compliance import Compliance
from controller.judge.evidence import VERDICTS


def counts_document(verdicts: NDArray[Any]) -> VerdictCounts:
    """Return how many of these verdict codes are of each kind."""
    numbers = np.bincount(verdicts, minlength=len(VERDICTS)).tolist()
    counts = dict(zip(VERDICTS, numbers, strict=True))
    return VerdictCounts(pass_=counts.pop("pass"), **counts)


def compliance_document(found: Compliance | None) -> ComplianceDocument | None:
    """Return a compliance rate; None where there is nothing to comply with."""
    if found is None or found.total == 0:
        return None
    return ComplianceDocument(
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        decided=found.decided,
        passed=found.passed,
    )

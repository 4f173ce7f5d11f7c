"""Campaigns as a store is given them."""

from controller.store.records import CampaignRecord


def campaign(name: str, **more: object) -> CampaignRecord:
    values = {
        "name": name,
        "request": b"{}",
        "from_ns": 10,
        "to_ns": 20,
        "created_ns": 5,
        "created_by": "owner uid 0",
        "streams": 3,
    }
    return CampaignRecord(**(values | more))  # type: ignore[arg-type]  # a test's shorthand

"""The regions of AWS, as the botocore that is installed knows them."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache

from botocore.session import Session


@cache
def _known() -> tuple[str, ...]:
    session = Session()
    partitions = session.get_available_partitions()
    return tuple(region for partition in partitions for region in session.get_available_regions("lambda", partition))


def mistake(region: str) -> str:
    """What is wrong with a region's name, with the one that was probably meant; empty for a region that there is."""
    if region in _known():
        return ""
    near = get_close_matches(region.strip().lower(), _known(), 1)
    likely = f"did you mean {near[0]}?" if near else "expected one such as eu-central-1"
    return f"there is no AWS region {region!r}; {likely}"

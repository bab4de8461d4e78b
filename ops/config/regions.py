"""Check the names of AWS regions against the installed botocore."""

from __future__ import annotations

from functools import cache

from botocore.session import Session

from ops.config.mistakes import nearest
from ops.service_descriptions import sharing_descriptions


@cache
def _known() -> tuple[str, ...]:
    session = sharing_descriptions(Session())
    partitions = session.get_available_partitions()
    return tuple(region for partition in partitions for region in session.get_available_regions("lambda", partition))


def mistake(region: str) -> str:
    """What is wrong with a region's name, and which was probably meant; empty for an existing region."""
    if region in _known():
        return ""
    near = nearest(region, _known())
    return f"there is no such AWS region; {f'did you mean {near}?' if near else 'expected one such as eu-central-1'}"

"""Read and print times in the time zone of this machine."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import click

_AGE = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class When(click.ParamType[int]):
    """A time such as ``2026-01-31T18:30``, with a zone or in that of this machine; or an age such as ``2h``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds since the epoch."""
        if isinstance(value, int):
            return value
        age = _AGE.fullmatch(value)
        if age:
            return max(0, int(time.time()) - int(age[1]) * _SECONDS[age[2]])
        try:
            return max(0, int(datetime.fromisoformat(value).astimezone().timestamp()))
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is not a time such as 2026-01-31, 2026-01-31T18:30 or 2h (s, m, h, d or w).", param, ctx
            )


def shown(seconds: float) -> str:
    """A time for a person, in the zone of this machine."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def stamp(seconds: float) -> str:
    """A time for a file: ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

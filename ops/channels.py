"""The tables ``[channels.<name>]`` of ``herald.toml``: one model for each kind of channel.

A kind of channel is: a model here, a notifier in ``chalicelib/adapters/``, what makes it in ``composition.py``, and
``notify_<kind>`` in ``functions.py`` and ``app.py``.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from chalicelib.settings import Channel, Options
from ops.tables import Table, WebAddress

RESERVED = ("deployed", "functions", "spam")
"""Names below a stage's path in Parameter Store that no channel may have."""


class ChannelTable(Table):
    """What every channel has."""

    PROVIDER: ClassVar[str] = ""
    """Where the provider's API answers."""
    SHORTEST_PAUSE: ClassVar[int] = 1
    """Seconds that the provider wants between two attempts."""

    kind: str
    uncertain: Literal["ring again", "hold"] = "ring again"
    pause: int = Field(default=5, ge=1, le=3600)
    url: WebAddress | None = None

    def options(self) -> Options:
        """What only this kind has."""
        return {}

    def compiled(self, name: str) -> Channel:
        return Channel(
            name=name,
            kind=self.kind,
            ring_again=self.uncertain == "ring again",
            pause=self.pause,
            url=self.url or self.PROVIDER,
            options=self.options(),
        )


class Pushover(ChannelTable):
    """https://pushover.net/api"""

    PROVIDER: ClassVar[str] = "https://api.pushover.net"
    SHORTEST_PAUSE: ClassVar[int] = 5


KINDS: dict[str, type[ChannelTable]] = {"pushover": Pushover}

"""A provider's limit, in the provider's own unit. Each kind of channel declares its own, and texts are cut to them.

docs/channels/limits.md lists all. The stand-ins of Pushover, SES and webhooks measure by themselves.
"""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    """The limit of one part of a request."""

    provider: str
    part: str
    most: int
    """0 where the provider names none, so that every text fits."""
    unit: str
    """What is counted: one of the three below."""
    margin: int
    """The part of ``most`` that is left free."""
    source: str
    read: str
    """When the source was read."""
    why: str = ""

    @property
    def usable(self) -> int:
        return self.most - self.margin

    def scaled(self, share: float) -> Limit:
        """Return a share of it, margin included."""
        return self if share == 1 else self._replace(most=int(self.most * share), margin=int(self.margin * share))

    def fits(self, text: str) -> bool:
        """Whether a text, as it is sent, is within ``usable``."""
        return not self.most or _size(text, self.unit) <= self.usable


CHARACTERS, UTF_16, UTF_8 = "characters (code points)", "UTF-16 units", "bytes of UTF-8"


def _size(text: str, unit: str) -> int:
    if unit == UTF_8:
        return len(text.encode(errors="replace"))
    beyond = sum(character > "\uffff" for character in text) if unit == UTF_16 else 0
    return len(text) + beyond

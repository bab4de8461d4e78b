"""A provider's limit, in the provider's own unit. Each kind of channel declares its own, and texts are cut to them.

docs/channels/limits.md lists all. The stand-ins of Pushover, SES and webhooks measure by themselves.
"""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    """The limit of one part of a request."""

    provider: str
    part: str
    maximum: int
    """0 where the provider names none, so that every text fits."""
    unit: str
    """What is counted: one of the three below."""
    source: str
    """The page that names it."""
    source_read: str
    """When that was read, such as ``2026-11``."""
    margin: int = 0
    """The part of ``maximum`` that is left free."""
    note: str = ""

    @property
    def usable(self) -> int:
        """The length that a text may have: ``maximum`` without ``margin``."""
        return self.maximum - self.margin

    def scaled(self, share: float) -> Limit:
        """Return a share of it, margin included."""
        return self._replace(maximum=int(self.maximum * share), margin=int(self.margin * share))

    def fits(self, text: str) -> bool:
        """Whether a text, as it is sent, is within ``usable``."""
        return not self.maximum or _size(text, self.unit) <= self.usable


CHARACTERS, UTF_16, UTF_8 = "characters (code points)", "UTF-16 units", "bytes of UTF-8"


def _size(text: str, unit: str) -> int:
    if unit == UTF_8:
        return len(text.encode(errors="replace"))
    beyond = sum(character > "\uffff" for character in text) if unit == UTF_16 else 0
    return len(text) + beyond

"""A shape for each state, so that none is told by its colour alone: 16 units wide and high, around 0."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """Paths of SVG."""

    outline: str
    is_filled: bool
    inside: str
    """What is drawn on the outline; may be empty."""


_ROUND = "M-7 0a7 7 0 1 1 14 0a7 7 0 1 1 -14 0z"
_SQUARE = "M-6.5 -4.5a2 2 0 0 1 2 -2h9a2 2 0 0 1 2 2v9a2 2 0 0 1 -2 2h-9a2 2 0 0 1 -2 -2z"
_DIAMOND = "M0 -8L8 0L0 8L-8 0z"
_TRIANGLE = "M-5.5 -6.5L7.5 0L-5.5 6.5z"
_SHIELD = "M0 -7.5L6.5 -5V0.5C6.5 4 3.5 6.5 0 8C-3.5 6.5 -6.5 4 -6.5 0.5V-5z"

_SHAPES = {
    "delivered": Shape(_ROUND, True, "M-3.5 0.3L-1 2.8L3.6 -2.5"),
    "rejected": Shape(_SQUARE, True, "M-3.2 3.2L3.2 -3.2"),
    "undeliverable": Shape(_SQUARE, True, "M-3 -3L3 3M3 -3L-3 3"),
    "expired": Shape(_SQUARE, True, "M-3.2 0H3.2"),
    "waiting": Shape(_ROUND, False, "M0 -3.8V0.3L2.7 1.8"),
    "uncertain": Shape(_DIAMOND, True, "M-1.9 -1.9a1.9 1.9 0 1 1 2.7 1.7C0.1 0.3 0 0.6 0 1.1M0 3.5V3.6"),
    "sending": Shape(_TRIANGLE, True, ""),
    "quarantined": Shape(_SHIELD, True, "M0 -3.5V0.8M0 3.4V3.5"),
    "duplicate": Shape("M-6.5 -6.5H3V3H-6.5zM-3 3V6.5H6.5V-3H3", False, ""),
    "summarized": Shape(_ROUND, False, "M-3 -1.8H3M-3 1.8H1.5"),
    "stored": Shape(_ROUND, False, "M-3 0H3"),
    "pending": Shape(_ROUND, False, ""),
    "answered": Shape("M-7 0L-1 -5.5V-2.5C4 -2.5 6.5 0 7 5C5.5 2.5 3 1.5 -1 1.5V4.5z", True, ""),
    "all": Shape("M-7 -0.5L-4.5 -6H4.5L7 -0.5V6H-7zM-7 -0.5H-3L-1.5 2H1.5L3 -0.5H7", False, ""),
    "next": Shape(_ROUND, False, ""),
}
_DOT = Shape("M-3.5 0a3.5 3.5 0 1 1 7 0a3.5 3.5 0 1 1 -7 0z", True, "")


def shape(name: str) -> Shape:
    """The shape of a state or an event; a dot where there is none of that name."""
    return _SHAPES.get(name, _DOT)

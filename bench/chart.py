"""Draw the chart of cold starts: one bar for each program, split into its import and its first request."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.runs import Measured, Spread

_STYLE = """
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
    .card { fill: #ffffff; stroke: #d0d7de; }
    .name { font-size: 14px; fill: #1f2328; text-anchor: end; }
    .own { font-weight: 600; }
    .note { font-size: 13px; fill: #57606a; }
    .import { fill: #54aeff; } .first { fill: #0550ae; } .spread { stroke: #57606a; stroke-width: 1.4; }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #30363d; }
      .name { fill: #e6edf3; } .note { fill: #9da7b3; }
      .import { fill: #1f6feb; } .first { fill: #a5d6ff; } .spread { stroke: #9da7b3; }
    }
"""
_LEFT, _WIDTH, _ROW, _TOP = 260, 560, 38, 56


def drawn(title: str, measured: Sequence[tuple[str, Measured]]) -> str:
    """Return the chart as SVG. Its description holds the numbers, for screen readers."""
    colds = {name: Spread.of(it.cold) for name, it in measured}
    longest = max(spread.high for spread in colds.values())
    height = _TOP + _ROW * len(measured) + 20

    def wide(milliseconds: float) -> float:
        return round(milliseconds / longest * _WIDTH, 1)

    told = "; ".join(f"{name} {spread.median:.0f} ms" for name, spread in colds.items())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 {height}" role="img" aria-labelledby="title desc">',
        f'  <title id="title">{escape(title)}</title>',
        f'  <desc id="desc">{escape(told)}</desc>',
        f"  <style>{_STYLE}  </style>",
        f'  <rect class="card" x="0.5" y="0.5" width="899" height="{height - 1}" rx="8"/>',
        f'  <rect class="import" x="{_LEFT}" y="20" width="14" height="14"/>',
        f'  <text class="note" x="{_LEFT + 20}" y="32">importing</text>',
        f'  <rect class="first" x="{_LEFT + 110}" y="20" width="14" height="14"/>',
        f'  <text class="note" x="{_LEFT + 130}" y="32">first request</text>',
        f'  <text class="note" x="{_LEFT + 250}" y="32">median, and the middle half of the runs</text>',
    ]
    for number, (name, it) in enumerate(measured):
        y = _TOP + _ROW * number
        imported, cold = wide(Spread.of(it.imported).median), colds[name]
        own = " own" if number == 0 else ""
        end, middle = _LEFT + wide(cold.high), y + 12
        parts += [
            f'  <text class="name{own}" x="{_LEFT - 12}" y="{y + 17}">{escape(name)}</text>',
            f'  <rect class="import" x="{_LEFT}" y="{y}" width="{imported}" height="24"/>',
            f'  <rect class="first" x="{_LEFT + imported}" y="{y}" '
            f'width="{round(wide(cold.median) - imported, 1)}" height="24"/>',
            f'  <path class="spread" d="M{_LEFT + wide(cold.low)} {middle}H{end}"/>',
            f'  <text class="note" x="{round(end + 8, 1)}" y="{y + 17}">{cold.median:.0f} ms</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"

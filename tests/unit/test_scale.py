"""The simulation of docs/scale.md: every message ends somewhere, and a limit is met where arithmetic says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.scale import OPEN, PAGE, SETUPS, USUAL_ACCOUNT, Setup, Simulation, row

CROWD = Setup("", 2_000, 2, OPEN, USUAL_ACCOUNT)


@pytest.mark.parametrize("setup", [each for each in SETUPS if each.rate <= 100], ids=lambda it: f"{it.rate} {it.said}")
def test_the_page_shows_what_the_simulation_gives_now(root: Path, setup: Setup) -> None:
    """If not: python -m bench.scale"""
    line = f"| {' | '.join(row(setup, Simulation(setup).run()))} |"
    assert line in (root / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "setup", [CROWD, Setup("", 2_000, 2), Setup("", 2_000, 2, OPEN, 20_000, 8)], ids=["1", "2", "3"]
)
def test_every_message_is_refused_delivered_waiting_or_kept(setup: Setup) -> None:
    result = Simulation(setup).run()
    ends = result.refused, len(result.delivered), result.waiting, result.kept
    assert sum(ends) == result.sent > 3_500


@pytest.mark.parametrize(
    ("setup", "limit"),
    [
        (Setup("", 30, 20, executions=USUAL_ACCOUNT), "`throttle`"),
        (Setup("", 50, 20, OPEN), "executions"),
        (Setup("", 600, 2, OPEN, 20_000), "a site"),
        (Setup("", 600, 2, OPEN, 20_000, sites=5), "new table"),
        (Setup("", 900, 2, OPEN, 20_000, sites=5, table_units=20_000), "index `due`"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_what_is_raised_no_longer_limits_and_the_next_does(setup: Setup, limit: str) -> None:
    assert limit in Simulation(setup).run().met
    raised: dict[str, dict[str, Any]] = {
        "`throttle`": {"throttle": OPEN},
        "executions": {"executions": 20_000},
        "a site": {"sites": 5},
        "new table": {"table_units": 20_000},
        "index `due`": {"due_keys": 10},
    }
    assert limit not in Simulation(replace(setup, **raised[limit])).run().met

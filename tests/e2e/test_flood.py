"""A flood on the deployed stage: what rings, what the summary tells, that nothing is lost; and kills change nothing.

tests/functional/test_flood.py has more of it with simulated time, such as junk that forges everything.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import ListedMessage
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator
from tests.rehearsal import REHEARSING, amount

SITE = CHANNEL = "flooded"
RINGS, SUMMARY = f"rings#{CHANNEL}", f"summary#{CHANNEL}"
PEOPLE = 10
LITTLE = 14
"""A quota of Pushover that the channel's budget of an hour would use up."""
ENDED = {MessageState.DELIVERED, MessageState.SUMMARIZED}


class Flood:
    """Junk at the gateway's throttle, with messages from the site's page among it, evenly."""

    def __init__(self, herald: Harness, *, forged: bool, quota: int | None) -> None:
        self._herald, self._forged = herald, forged
        self._origin = herald.stage.sites[SITE].origins[0]
        self._since, self.word = int(time.time()), marker()
        for key in (RINGS, SUMMARY):
            herald.forget(key)
        herald.forget_what_is_due()
        herald.restart("destined")  # A warm one knows what was spent.
        herald.faults(quota=quota)

    def send(self, size: int, kills: int) -> dict[str, str]:
        """What was written in each message, by its id; ``destined`` is killed so often meanwhile."""

        def send(number: int) -> tuple[str, str]:
            if kills and number % (size // kills) == size // kills - 1:
                self._herald.kill("destined")
            return self._send(number, size // PEOPLE)

        first = send(0)
        wait_for(lambda: self._herald.delivery(first[0], CHANNEL).get("state") == "delivered", "first ring")
        with ThreadPoolExecutor(4) as senders:
            return dict([first, *senders.map(send, range(1, size))])

    def _send(self, number: int, one_of: int) -> tuple[str, str]:
        text = f"{self.word} {number}."
        fields, headers = dict[str, str](), {"X-Forwarded-For": "198.51.100.7"}
        if self._forged:
            headers = {"Origin": self._origin, "X-Forwarded-For": f"10.{number // 256}.{number % 256}.1"}
        if number % one_of == one_of // 2:
            fields = {"name": f"Ada {number // one_of}", "_fill_seconds": "12"}
            headers = {"Origin": self._origin, "X-Forwarded-For": f"192.0.{number // one_of}.2"}

        return self._herald.let_in(text, f"/contact/{SITE}", headers, **fields), text

    def listed(self) -> dict[str, ListedMessage]:
        return self._herald.listed(SITE, self._since)

    @property
    def pushes(self) -> list[dict[str, Any]]:
        return self._herald.pushes(self.word)

    def named(self) -> set[int]:
        """Which people were named in a ring or in a summary."""
        told = "\n".join(push["title"] + push["message"] for push in self.pushes)
        return {number for number in range(PEOPLE) if f"Ada {number}" in told}

    def let_half_an_hour_pass(self, *, kill: bool) -> None:
        """Let up to 30 minutes pass, five at a time, until each message has ended and a summary was told."""
        for number in range(6):
            self._herald.restart("destined")  # A warm one knows what was spent.
            self._herald.let_pass(5 * 60, RINGS, SUMMARY)
            if kill and not number:
                self._herald.kill("destined")
            try:
                wait_for(self._is_over, "end", 10, pause=1)
                return
            except AssertionError:
                continue

    def _is_over(self) -> bool:
        return any(map(_is_summary, self.pushes)) and {each.state for each in self.listed().values()} <= ENDED


def _is_summary(push: dict[str, Any]) -> bool:
    return str(push["title"]).endswith(" more messages")


@pytest.mark.full
@pytest.mark.rehearse(
    "2,000 messages at the throttle, with and without forged origins and kills",
    "a phone that a flood rings or silences, through all services",
)
@pytest.mark.parametrize(
    ("forged", "kills", "quota"),
    [
        pytest.param(True, amount(2, 8), LITTLE, id="forged, kills, little quota"),
        *([pytest.param(False, 0, None, id="script")] if REHEARSING else []),
    ],
)
def test_junk_at_the_throttle_rings_as_often_as_the_budget_says_and_hides_nobody(
    herald: Harness, checkout: Path, forged: bool, kills: int, quota: int | None
) -> None:
    flood, size = Flood(herald, forged=forged, quota=quota), amount(200, 2_000)
    sent = flood.send(size, kills)
    wait_for(lambda: len(flood.listed()) == size, "record of each message", 60 + size, pause=1)
    flood.let_half_an_hour_pass(kill=kills > 0)

    listed, pushes, rings = flood.listed(), flood.pushes, herald.stage.channels[CHANNEL].rings
    assert set(listed) == set(sent), "nothing is lost"
    states = Counter(each.state for each in listed.values())
    assert set(states) == ENDED
    assert flood.named() == set(range(PEOPLE))
    assert rings
    assert len(pushes) <= rings.hour
    assert herald.counted("pushover")["remaining"] > 0
    summaries = [push for push in pushes if _is_summary(push)]
    for message_id, text in sent.items():
        rung = sum(text in push["message"] for push in pushes if push not in summaries)
        ended = listed[message_id]
        # Whoever was killed after it had claimed a channel may have rung.
        most = ended.channels[CHANNEL].attempts if kills else 1
        assert (ended.state is MessageState.DELIVERED) <= rung <= most
    # A message may be counted twice, as when the answer to the write was lost.
    assert sum(int(push["title"].split()[0]) for push in summaries) >= states[MessageState.SUMMARIZED]
    left = next(one for one, each in listed.items() if each.state is MessageState.SUMMARIZED)
    steps = Operator(herald, checkout).json("trace", left, "--no-logs")["steps"]
    assert [(step["kind"], step["channel"]) for step in steps if step["channel"]] == [("summarized", CHANNEL)]

"""The owner hears of failures, by another channel than the one that failed and once rather than for each message; and
what a provider that was down for longer than Lambda's retries has not taken comes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.harness import Harness, marker, wait_for
from tests.rehearsal import amount

MESSAGES = amount(10, 40)
ALARM = "alarm#"


def alarms(herald: Harness, words: set[str]) -> list[dict[str, Any]]:
    """The mails about these messages, and those that sum failures up."""
    return [mail for mail in herald.mails("") if any(word in mail["BodyText"] for word in {*words, " more failures"})]


def states(herald: Harness, ids: Iterable[str]) -> set[str]:
    return {str(herald.delivery(message_id)["state"]) for message_id in ids}


def quiet_time_passes(herald: Harness) -> None:
    herald.change(ALARM, {"quiet_until": int(time.time())})


@pytest.fixture(autouse=True)
def no_alarm_yet(herald: Harness) -> None:
    """As if nobody had been told anything: other tests let messages fail too, and leave some that would fail here."""
    herald.forget_what_is_due()
    herald.forget(ALARM)


def refused(herald: Harness) -> str:
    """The id of a message that the provider refused for good, once on_failure has seen it."""
    message_id = herald.accepted(marker(), name="MARKER")
    herald.line("on_failure", message_id=message_id, action="undeliverable")
    return message_id


def test_many_failures_are_one_alarm_and_one_summary(herald: Harness) -> None:
    herald.faults({"do": "status", "status": 400, "times": 100})
    first = refused(herald)
    (mail,) = wait_for(lambda: herald.mails(first), "mail to the owner")
    assert mail["Subject"] == "Herald: not delivered"
    assert "pushover: rejected ChannelRejectedError" in mail["BodyText"]
    assert "MARKER" not in mail["BodyText"]

    with ThreadPoolExecutor(4) as several:
        others = list(several.map(lambda _: refused(herald), range(8)))
    wait_for(lambda: herald.item(ALARM).get("unreported") == {"N": "8"}, "count of the others")
    assert not any(herald.mails(each) for each in others)
    # What other tests' messages that Lambda still tries meet from here on is no failure.
    herald.faults()

    quiet_time_passes(herald)
    before = len(herald.mails("8 more failures"))
    for _ in range(2):
        herald.run_retry_due()
        assert len(herald.mails("8 more failures")) == before + 1
    assert herald.item(ALARM)["unreported"] == {"N": "0"}


@pytest.mark.full
@pytest.mark.rehearse("40 messages", "an owner told of every failure, or of none")
def test_an_outage_is_told_once_and_heals_by_itself(herald: Harness) -> None:
    summaries = len(alarms(herald, set()))
    herald.faults({"do": "status", "status": 503, "times": 100_000})
    words = [marker() for _ in range(MESSAGES)]
    with ThreadPoolExecutor(4) as visitors:
        sent = dict(zip(visitors.map(herald.let_in, words), words, strict=True))

    def heard() -> list[str]:
        """The messages that on_failure has heard of, once for each time."""
        lines = [line for line in herald.lines("on_failure") if "condition" in line]
        return [line["message_id"] for line in lines if line["message_id"] in sent]

    wait_for(lambda: set(heard()) == set(sent), "failure of every message", 300, pause=0.5)
    wait_for(lambda: len(alarms(herald, set(sent))) > summaries, "alarm")
    assert len(alarms(herald, set(sent))) == summaries + 1
    assert not any(herald.pushes(word) for word in sent.values())

    # It goes on. The scheduled retry tries, and nobody is told of each message once more.
    for message_id in sent:
        herald.let_time_pass(message_id)
    requests = herald.provider_requests()
    herald.run_retry_due()
    wait_for(lambda: herald.provider_requests() >= requests + MESSAGES, "attempt of every message", 300)
    assert len(heard()) == MESSAGES
    assert len(alarms(herald, set(sent))) == summaries + 1
    quiet_time_passes(herald)
    herald.run_retry_due()
    last = alarms(herald, set(sent))
    assert len(last) == summaries + 2, "one summary of all the others"
    assert any(f"{MESSAGES - 1} more failures" in mail["BodyText"] for mail in last)

    # It is over.
    herald.faults()
    wait_for(lambda: states(herald, sent) == {"waiting"}, "end of the attempts")
    for message_id in sent:
        herald.let_time_pass(message_id)
    herald.run_retry_due()
    wait_for(lambda: states(herald, sent) == {"delivered"}, "every delivery", 300, pause=0.5)
    assert [len(herald.pushes(word)) for word in sent.values()] == [1] * MESSAGES
    quiet_time_passes(herald)
    herald.run_retry_due()
    assert len(alarms(herald, set(sent))) == summaries + 2, "and nothing more is said of it"

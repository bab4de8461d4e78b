"""The crash points of docs/delivery.md, each with a process that is killed right there (SIGKILL).

Where in its work ``destined`` or a notifier is, a gate between it and DynamoDB or Parameter Store tells. The local
stack runs a failed event again after a second instead of a minute, when the killed run's claim still holds: its time is
let pass. With ``ring again`` (site ``default``) and with ``hold`` (site ``patient``).
"""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.e2e.gate import Call, Gate, Stop
from tests.e2e.harness import Harness, marker, wait_for

pytestmark = pytest.mark.full

CHANNELS = {"default": "pushover", "patient": "push_held"}
both = pytest.mark.parametrize("site", CHANNELS)
"""Rings again, holds."""


@pytest.fixture(scope="module")
def table(deployed: Harness) -> Iterator[Gate]:
    """The gate between destined and its table."""
    with Gate(deployed.stack.ports.aws_url).open() as gate, deployed.led_to("destined", "DYNAMODB", gate.url):
        yield gate


@pytest.fixture(scope="module")
def secrets(deployed: Harness) -> Iterator[Gate]:
    """The gate between the notifier of Pushover and its secrets."""
    with Gate(deployed.stack.ports.aws_url).open() as gate, deployed.led_to("notify_pushover", "SSM", gate.url):
        yield gate


def storing(operation: str, request: dict[str, Any]) -> bool:
    return operation == "PutItem" and "deliveries" in request["Item"]


def claiming(operation: str, request: dict[str, Any]) -> bool:
    return _state_after(operation, request) == "sending"


def recording(operation: str, request: dict[str, Any]) -> bool:
    return _state_after(operation, request) not in ("", "sending")


def reading(operation: str, request: dict[str, Any]) -> bool:
    return operation == "GetParameters"


def _state_after(operation: str, request: dict[str, Any]) -> str:
    """The state that a change of a channel writes."""
    after = request.get("ExpressionAttributeValues", {}).get(":after", {}) if operation == "UpdateItem" else {}
    return str(after.get("M", {}).get("state", {}).get("S", ""))


def actions(herald: Harness, message_id: str) -> list[str]:
    """What the bus told of a message: actions, and "None" for a run that ended with an error."""
    lines = (line for name in ("on_success", "on_failure") for line in herald.lines(name))
    return [str(line.get("action")) for line in lines if line.get("message_id") == message_id and "condition" in line]


class Sent:
    """A message that was accepted, and what is known of it."""

    def __init__(self, herald: Harness, site: str) -> None:
        self._herald = herald
        self._channel = CHANNELS[site]
        self.word, self.at = marker(), time.time()
        self.id = herald.accepted(self.word, f"/contact/{site}")

    @property
    def state(self) -> str:
        """Its channel's state; empty where there is no record."""
        return str(self._herald.delivery(self.id, self._channel).get("state", ""))

    @property
    def rings(self) -> int:
        return len(self._herald.pushes(self.word))

    def let_the_claim_end(self) -> None:
        """Let the time of a killed run's claim be over."""
        assert self.state == "sending"
        self._herald.change(self.id, {f"deliveries.{self._channel}.claimed_until": int(time.time()) - 1})

    def ends(self) -> str:
        """The action in which it ends."""
        told = partial(actions, self._herald, self.id)
        return wait_for(lambda: next((action for action in told() if action != "None"), ""), "end of the message")

    def ends_uncertain(self, site: str, before: int) -> None:
        """What can't be told from having rung: rings again, or is held; it has rung ``before`` already."""
        if site == "default":
            assert (self.ends(), self.state, self.rings) == ("delivered", "delivered", before + 1)
        else:
            assert (self.ends(), self.state, self.rings) == ("uncertain", "uncertain", before)


@contextmanager
def killed(herald: Harness, table: Gate, call: Call, stop: Stop, site: str = "default") -> Iterator[Sent]:
    """A message whose run is killed at a call; until the block ends no other run gets past it."""
    with table.stopping(call, stop):
        sent = Sent(herald, site)
        table.wait()
        herald.kill("destined")
        yield sent


def test_before_the_item_was_written_the_next_run_stores_and_delivers(herald: Harness, table: Gate) -> None:
    with killed(herald, table, storing, Stop.BEFORE) as sent:
        assert sent.state == ""
    assert (sent.ends(), sent.state, sent.rings) == ("delivered", "delivered", 1)


def test_before_the_claim_the_next_run_delivers(herald: Harness, table: Gate) -> None:
    with killed(herald, table, claiming, Stop.BEFORE) as sent:
        assert sent.state == "pending"
    assert (sent.ends(), sent.state, sent.rings) == ("delivered", "delivered", 1)


@both
def test_after_the_claim_nobody_knows_that_it_has_not_rung(herald: Harness, table: Gate, site: str) -> None:
    with killed(herald, table, claiming, Stop.AFTER, site) as sent:
        assert (sent.state, sent.rings) == ("sending", 0)
        sent.let_the_claim_end()
    sent.ends_uncertain(site, before=0)


@both
def test_after_acceptance_it_rings_a_second_time_or_is_held(herald: Harness, table: Gate, site: str) -> None:
    with killed(herald, table, recording, Stop.BEFORE, site) as sent:
        assert (sent.state, sent.rings) == ("sending", 1)
        sent.let_the_claim_end()
    sent.ends_uncertain(site, before=1)


@both
def test_after_the_record_the_retry_only_tells_of_it(herald: Harness, table: Gate, site: str) -> None:
    with killed(herald, table, recording, Stop.AFTER, site) as sent:
        assert (sent.state, sent.rings) == ("delivered", 1)
    assert (sent.ends(), sent.rings) == ("delivered", 1)


@both
def test_an_outcome_that_cant_be_written_is_as_if_the_run_had_been_killed(
    herald: Harness, table: Gate, site: str
) -> None:
    with table.stopping(recording, Stop.FAIL):
        sent = Sent(herald, site)
        table.wait()
        wait_for(lambda: "StoreError" in "".join(herald.texts("destined", sent.at)), "error")
        assert (sent.state, sent.rings) == ("sending", 1)
        sent.let_the_claim_end()
    sent.ends_uncertain(site, before=1)


def test_a_claim_whose_answer_was_lost_is_known_again_and_rings_once(herald: Harness, table: Gate) -> None:
    with table.stopping(claiming, Stop.LOSE):
        sent = Sent(herald, "default")
        table.wait()
        assert (sent.ends(), sent.rings) == ("delivered", 1)
    assert herald.delivery(sent.id)["attempts"] == "1"


@both
def test_a_notifier_that_is_killed_before_its_call_may_have_rung(herald: Harness, secrets: Gate, site: str) -> None:
    herald.restart("notify_pushover")  # A warm one keeps what it has read.
    with secrets.stopping(reading, Stop.BEFORE):
        sent = Sent(herald, site)
        secrets.wait()
        herald.kill("notify_pushover")
    sent.ends_uncertain(site, before=0)


@both
def test_a_notifier_that_is_killed_after_acceptance_has_rung(herald: Harness, site: str) -> None:
    herald.faults({"do": "accept_then_stall", "seconds": 9})
    sent = Sent(herald, site)
    wait_for(lambda: sent.rings, "push")
    herald.kill("notify_pushover")
    sent.ends_uncertain(site, before=1)


def test_a_message_that_sns_delivers_five_times_at_once_rings_once(herald: Harness) -> None:
    word, message_id = marker(), str(uuid.uuid4())
    herald.faults({"do": "accept_then_stall", "seconds": 1})
    now = int(time.time())
    body = {"version": 1, "id": message_id, "site": "default", "received_at": now, "fields": {"message": word}}
    event = herald.retried(json.dumps(body), kind="contact")

    def deliver(_: int) -> None:
        herald.account.functions.invoke(
            FunctionName=herald.stage.function("destined"), InvocationType="Event", Payload=json.dumps(event).encode()
        )

    with ThreadPoolExecutor(5) as sns:
        list(sns.map(deliver, range(5)))

    wait_for(lambda: len(actions(herald, message_id)) == 5, "word of each delivery")
    told = Counter(actions(herald, message_id))
    # One stored it and one rang: mostly, but not always, the same.
    assert told == {"delivered": told["delivered"], "unchanged": 5 - told["delivered"]}
    assert told["delivered"] in (1, 2)
    assert len(herald.pushes(word)) == herald.provider_requests() == 1
    assert herald.delivery(message_id)["attempts"] == "1"

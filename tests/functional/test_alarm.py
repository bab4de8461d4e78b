"""``on_failure`` and ``retry_due`` telling the owner; and the item that keeps it from being told too often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest
from chalice.test import Client

from chalicelib.adapters.last_alarm import AlarmItem
from chalicelib.composition import override_container
from chalicelib.errors import ChannelUnavailableError, StoreError
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.failure_alarm import QUIET
from chalicelib.logic.notification import Notification
from chalicelib.logic.retry_due import DueMessage
from chalicelib.settings import Stage
from tests.dynamodb import LocalTable
from tests.fakes import (
    NOW,
    FakeContainer,
    InMemoryAlarms,
    InMemoryMessages,
    RecordingNotifier,
    RecoveringNotifier,
    message,
)

TABLE = "herald-dev-messages"


class NothingDue:
    """Knows of no message that waits."""

    def find_due(self, now: int, most: int) -> list[DueMessage]:
        return []

    def set_due_at(self, message_id: str, due_at: int) -> None:
        raise AssertionError("nothing was due")


class NobodyRuns:
    """Must not be asked to run anything."""

    def run(self, message: DueMessage) -> None:
        raise AssertionError("nothing was due")


class World:
    """Everything around ``on_failure`` and ``retry_due``, in a stage that tells its owner by ``channels``."""

    def __init__(self, client: Client, local: Stage, event: dict[str, Any]) -> None:
        self.event, self.log = event, InMemoryAlarms()
        self.channels: tuple[str, ...] = ("email",)
        self.messages = InMemoryMessages()
        self.notifiers: dict[str, Any] = {"email": RecordingNotifier()}
        self._client, self._local = client, local

    @property
    def told(self) -> list[Notification]:
        """What the owner got by mail."""
        found: list[Notification] = self.notifiers["email"].delivered
        return found

    def at(self, now: int) -> FakeContainer:
        return FakeContainer(
            self._local._replace(alarm_channels=self.channels),
            messages=self.messages,
            notifiers=self.notifiers,
            alarm_log=self.log,
            due_messages=NothingDue(),
            destined=NobodyRuns(),
            now=now,
        )

    def fails(self, now: int = NOW) -> None:
        """Have ``on_failure`` hear of a failure."""
        with override_container(self.at(now)):
            self._client.lambda_.invoke("on_failure", self.event)

    def retries(self, now: int) -> None:
        """Let the scheduled retry come."""
        event = self._client.events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
        with override_container(self.at(now)):
            self._client.lambda_.invoke("retry_due", event)


@pytest.fixture
def event(root: Path) -> dict[str, Any]:
    """A failure as Lambda puts it on the bus."""
    found: dict[str, Any] = json.loads((root / "tests/contract/samples/failure.json").read_text(encoding="utf-8"))
    kind = {"kind": {"Type": "String", "Value": "contact"}}
    sns = {"MessageId": "sns-1", "Message": message("id-1", message="MARKER").serialize(), "MessageAttributes": kind}
    found["detail"]["requestPayload"] = {"Records": [{"Sns": sns}]}
    return found


@pytest.fixture
def world(client: Client, local: Stage, event: dict[str, Any]) -> World:
    return World(client, local, event)


def test_the_first_failure_is_told_at_once_and_those_after_it_together(world: World) -> None:
    for seconds in range(4):
        world.fails(NOW + seconds)
    (told,) = world.told
    assert told.message.splitlines() == [
        "A message is not delivered: RetriesExhausted.",
        "It is stored. Channels that still wait are tried again.",
        "Message id-1",
    ]
    world.fails(NOW + QUIET)
    assert len(world.told) == 2
    assert "3 more since the last alarm." in world.told[1].message
    assert not any("MARKER" in told.message + told.title for told in world.told)


def test_what_was_rejected_is_logged_and_rings_nobody(world: World, log: Any) -> None:
    result = {"source": "herald.notification", "action": "rejected", "message": {"id": "sns-1"}}
    world.event["detail"] |= {"requestContext": {"condition": "Success"}, "responsePayload": result}
    world.fails()
    line = log.line("Notification rejected")
    assert (line["level"], line["message_id"]) == ("WARNING", "sns-1")
    assert world.told == []
    assert world.log.unreported(NOW + QUIET, QUIET) == 0


def test_what_nobody_has_told_the_scheduled_retry_tells(world: World) -> None:
    for _ in range(3):
        world.fails()
    for now in (NOW + QUIET - 1, NOW + QUIET, NOW + QUIET + 1):
        world.retries(now)
    assert [told.message for told in world.told[1:]] == [
        "2 more failures since the last alarm. Channels that still wait are tried again."
    ]


def test_the_alarm_goes_by_a_channel_that_did_not_fail_itself(world: World) -> None:
    phone = RecordingNotifier()
    world.channels, world.notifiers["pushover"] = ("pushover", "email"), phone
    world.messages.add(message("id-1"), Record("request-1", {"pushover": Delivery(State.WAITING, 3)}))
    world.fails()
    assert (len(phone.delivered), len(world.told)) == (0, 1)


def test_an_alarm_that_nobody_took_is_an_error_and_lambdas_retry_tells_it(world: World) -> None:
    world.notifiers["email"] = RecoveringNotifier(ChannelUnavailableError("down"))
    with pytest.raises(ChannelUnavailableError):
        world.fails()
    world.fails(NOW + 60)
    (told,) = world.told
    assert "more since" not in told.message


def test_a_table_that_can_not_be_read_forgets_no_failure(world: World) -> None:
    world.log.waiting = 7

    class Unreadable(InMemoryMessages):
        def find_record(self, message_id: str) -> NoReturn:
            raise StoreError("Throttled")

    readable, world.messages = world.messages, Unreadable()
    with pytest.raises(StoreError):
        world.fails()
    world.messages = readable
    world.fails(NOW + 60)
    (told,) = world.told
    assert "7 more since the last alarm." in told.message


def test_a_stage_without_alarm_channels_asks_for_nothing(client: Client, local: Stage, event: dict[str, Any]) -> None:
    """A composition without table and notifiers would fail if it were asked for one."""
    with override_container(FakeContainer(local)):
        client.lambda_.invoke("on_failure", event)


# The item


@pytest.fixture
def item() -> AlarmItem:
    return AlarmItem(LocalTable(TABLE), TABLE)  # type: ignore[arg-type]


def test_a_failure_after_a_quiet_time_is_told_with_those_within_it(item: AlarmItem) -> None:
    assert [item.failed(NOW + at, QUIET) for at in (0, 0, QUIET - 1, QUIET, QUIET + 1)] == [1, 0, 0, 3, 0]
    assert item.failed(NOW + 2 * QUIET, QUIET) == 2


def test_what_is_untold_is_told_once_after_the_quiet_time(item: AlarmItem) -> None:
    assert item.unreported(NOW, QUIET) == 0, "where nothing has ever failed"
    item.failed(NOW, QUIET)
    assert item.unreported(NOW + QUIET, QUIET) == 0, "where nothing is untold"
    item.failed(NOW + 1, QUIET)
    item.failed(NOW + 2, QUIET)
    assert [item.unreported(NOW + at, QUIET) for at in (QUIET - 1, QUIET, QUIET, 3 * QUIET)] == [0, 2, 0, 0]


def test_what_could_not_be_told_is_put_back(item: AlarmItem) -> None:
    item.failed(NOW, QUIET)
    item.put_back(3, NOW - QUIET)
    item.failed(NOW - 1, QUIET)
    assert item.unreported(NOW, QUIET) == 4

"""What is shown of the message table, on MiniStack's DynamoDB in this process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.last_alarm import AlarmItem
from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.recent_activity import RecentTable
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.message import Message
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.spam import NOTHING_FOUND, HoldReason, Verdict
from chalicelib.logic.stored_messages import MAX_PAGE, Position, Wanted
from tests.dynamodb import LocalTable
from tests.fakes import NOW, Clock, message, stage

GET = {"TableName": "herald-dev-messages", "Key": {"id": {"S": "id-1"}}, "ConsistentRead": True}
PENDING = Delivery()
DONE = Delivery(State.DELIVERED, 1, "run", 0, 0, "ref", "", NOW + 2)
QUARANTINED = Verdict(("links",), 12, HoldReason.QUARANTINED)


def archive(client: Any) -> MessageArchive:
    return MessageArchive(client, stage(), Clock())


@pytest.fixture
def there() -> LocalTable:
    return LocalTable(stage().table)


def add(there: Any, it: Message, delivery: Delivery = DONE, verdict: Verdict = NOTHING_FOUND, due_at: int = 0) -> None:
    messages = MessageTable(there, stage(), lambda: NOW + 1)
    messages.add(it, Record("request-1", {"pushover": delivery}, verdict, due_at))


def add_many(there: Any, number: int, delivery: Delivery = DONE) -> None:
    """Messages of one second each, the newest of which is of ``NOW``."""
    for second in range(number):
        add(there, replace(message(f"id-{second}"), received_at=NOW - second), delivery)


def test_a_message_is_read_whole_by_its_key(there: LocalTable) -> None:
    add(there, message("id-1", zeta="1", alpha="2"), PENDING, due_at=NOW + 50)
    MessageTable(there, stage()).replace_delivery("id-1", "pushover", PENDING, DONE, NOW + 60)  # type: ignore[arg-type]
    asked: list[Any] = []
    there.before_call = lambda _, request: asked.append(request.get("ConsistentRead"))
    found = archive(there).get("id-1")
    assert asked == [True, True]
    assert found is not None
    assert list(found.fields.items()) == [("zeta", "1"), ("alpha", "2")]
    assert (found.stored_at, found.expires_at, found.due_at) == (NOW + 1, NOW + 365 * 24 * 3600, NOW + 60)
    assert (found.listed.id, found.listed.state) == ("id-1", MessageState.DELIVERED)
    assert found.listed.channels == {"pushover": DONE}
    assert [(line.channel, line.state, line.since, line.reference) for line in found.history] == [
        ("pushover", State.DELIVERED, NOW + 2, "ref")
    ]


def test_a_message_whose_fields_are_gone_is_shown_without_them(there: LocalTable) -> None:
    add(there, message("id-1"))
    there.delete_item(TableName=stage().table, Key={"id": {"S": "fields#id-1"}})
    found = archive(there).get("id-1")
    assert found is not None
    assert (found.history, found.due_at, found.fields) == ((), 0, {})


def test_what_is_no_message_is_not_shown_as_one(there: LocalTable) -> None:
    add(there, message("id-1"))
    AlarmItem(there, stage().table).failed("event-1", NOW)  # type: ignore[arg-type]
    recent = RecentTable(there, stage().table, Clock())  # type: ignore[arg-type]
    recent.claim_first("content#1", "id-1", NOW, 60)
    recent.count("default#1", "id-1", NOW, 60, 5)
    others = {*there.items()} - {"id-1"}
    assert others == {"fields#id-1", "alarm#", "content#1", "rate#default#1"}
    assert [archive(there).get(key) for key in (*others, "nothing")] == [None] * 5


def test_a_page_is_one_query_newest_first_and_goes_on_where_the_one_before_ended(there: LocalTable) -> None:
    add(there, replace(message("later"), received_at=NOW + 10))
    add(there, replace(message("held"), received_at=NOW + 9), PENDING, QUARANTINED)
    add_many(there, 3)
    before = len(there.calls)
    first = archive(there).page(Wanted("default", None, NOW - 1, NOW + 10, 2))
    assert len(there.calls) == before + 1
    assert [(one.id, one.state) for one in first.messages] == [("held", "quarantined"), ("id-0", "delivered")]
    assert first.messages[0].verdict == QUARANTINED
    assert first.next == Position(NOW, "id-0")
    last = archive(there).page(Wanted("default", None, NOW - 1, NOW + 10, 2, first.next))
    assert ([one.id for one in last.messages], last.next) == (["id-1"], None)


def test_pages_repeat_nothing_and_leave_nothing_out_of_one_second(there: LocalTable) -> None:
    for number in range(5):
        add(there, message(f"id-{number}"))
    page = archive(there).page(Wanted("default", limit=2))
    seen = [one.id for one in page.messages]
    while page.next:
        page = archive(there).page(Wanted("default", limit=2, after=page.next))
        seen += [one.id for one in page.messages]
    assert sorted(seen) == [f"id-{number}" for number in range(5)]


def test_a_state_is_looked_for_in_one_full_query_and_the_rest_is_left_to_the_next_page(there: LocalTable) -> None:
    add_many(there, MAX_PAGE + 1)
    for at in (NOW - 1, NOW - 2):
        add(there, replace(message(f"waits-{NOW - at}"), received_at=at), Delivery(State.WAITING, 1))
    full = archive(there).page(Wanted("default", MessageState.WAITING, limit=1))
    assert ([one.id for one in full.messages], full.next) == (["waits-1"], Position(NOW - 1, "waits-1"))
    rest = archive(there).page(Wanted("default", MessageState.WAITING, limit=2))
    assert [one.id for one in rest.messages] == ["waits-1", "waits-2"]
    assert rest.next == Position(NOW - MAX_PAGE + 3, f"id-{MAX_PAGE - 3}")
    none = archive(there).page(Wanted("default", MessageState.QUARANTINED))
    assert (none.messages, none.next) == ((), rest.next), "where none fits it still says where to go on"


def test_a_client_of_boto3_serves_as_well() -> None:
    client = boto3.client("dynamodb", "eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("get_item", {}, GET)
        stub.add_response("get_item", {}, GET | {"Key": {"id": {"S": "publication#id-1"}}})
        assert archive(client).get("id-1") is None

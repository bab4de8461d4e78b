"""Exactly what is asked of DynamoDB to show messages, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.archive import MessageArchive
from chalicelib.adapters.dynamodb_items import to_item
from chalicelib.adapters.messages import delivery_fields
from chalicelib.errors import StoreError
from chalicelib.logic.archive import LATEST, MAX_PAGE, MessageState, Position, Wanted
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.spam import HoldReason, Verdict
from tests.fakes import NOW, Clock, message, stage

Stubbed = Callable[[str], tuple[Any, Stubber]]
GET = {"TableName": "herald-dev-messages", "Key": {"id": {"S": "id-1"}}, "ConsistentRead": True}
GET_FIELDS = GET | {"Key": {"id": {"S": "fields#id-1"}}}
FIELDS = {
    "id": {"S": "fields#id-1"},
    "pairs": {"L": [{"L": [{"S": "zeta"}, {"S": "1"}]}, {"L": [{"S": "alpha"}, {"S": "2"}]}]},
    "expires_at": {"N": "1"},
}
DONE = Delivery(State.DELIVERED, 1, "run", 0, 0, "ref", "", NOW + 2)


def archive(client: Any) -> MessageArchive:
    return MessageArchive(client, stage(), Clock())


def listed(message_id: str, received_at: int = NOW, delivery: Delivery = DONE, **more: Any) -> dict[str, Any]:
    """An item as the index holds it."""
    return {
        "id": {"S": message_id},
        "site": {"S": "default"},
        "received_at": {"N": str(received_at)},
        **to_item({"deliveries": {"pushover": delivery_fields(delivery)}}),
        **more,
    }


def stored(message_id: str, **more: Any) -> dict[str, Any]:
    """An item as the table holds it."""
    return {
        **listed(message_id),
        "stored_at": {"N": str(NOW + 1)},
        "owner": {"S": "request-1"},
        "expires_at": {"N": str(NOW + 99)},
        **more,
    }


def query(limit: int = MAX_PAGE, since: int = 0, last: int = LATEST - 1, **more: Any) -> dict[str, Any]:
    return {
        "TableName": "herald-dev-messages",
        "IndexName": "site",
        "KeyConditionExpression": "site = :site AND received_at BETWEEN :since AND :last",
        "ExpressionAttributeValues": {
            ":site": {"S": "default"},
            ":since": {"N": str(since)},
            ":last": {"N": str(last)},
        },
        "ScanIndexForward": False,
        "Limit": limit,
        **more,
    }


def test_a_message_is_read_whole_by_its_key(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    line = {
        "channel": {"S": "pushover"},
        "state": {"S": "delivered"},
        "attempts": {"N": "1"},
        "since": {"N": str(NOW + 2)},
        "error": {"S": ""},
        "reference": {"S": "ref"},
    }
    item = stored("id-1", history={"L": [{"M": line}]}, due={"S": "yes"}, due_at={"N": str(NOW + 50)})
    stub.add_response("get_item", {"Item": item}, GET)
    stub.add_response("get_item", {"Item": FIELDS}, GET_FIELDS)
    found = archive(dynamodb).get("id-1")
    assert found is not None
    assert list(found.fields.items()) == [("zeta", "1"), ("alpha", "2")]
    assert (found.stored_at, found.expires_at, found.due_at) == (NOW + 1, NOW + 99, NOW + 50)
    assert (found.listed.id, found.listed.state) == ("id-1", MessageState.DELIVERED)
    assert found.listed.channels == {"pushover": DONE}
    assert [(line.channel, line.state, line.since, line.reference) for line in found.history] == [
        ("pushover", State.DELIVERED, NOW + 2, "ref")
    ]


def test_a_message_without_outcomes_has_no_history_and_nothing_due(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_response("get_item", {"Item": stored("id-1")}, GET)
    stub.add_response("get_item", {}, GET_FIELDS)
    found = archive(dynamodb).get("id-1")
    assert found is not None
    assert (found.history, found.due_at, found.fields) == ((), 0, {})


def test_a_message_of_an_earlier_release_which_kept_it_in_one_item_is_read_as_well(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    item = stored("id-1", submission={"S": message("id-1", zeta="1", alpha="2").serialize()})
    stub.add_response("get_item", {"Item": item}, GET)
    found = archive(dynamodb).get("id-1")
    assert found is not None
    assert list(found.fields.items()) == [("zeta", "1"), ("alpha", "2")]


@pytest.mark.parametrize(
    "item",
    [
        {},
        FIELDS,
        {"id": {"S": "alarm#"}, "notified_at": {"N": "1"}},
        {"id": {"S": "content#1"}, "message_id": {"S": "id-1"}, "came_at": {"N": "1"}, "expires_at": {"N": "2"}},
        {"id": {"S": "rate#default#1"}, "members": {"SS": ["1 id-1"]}, "expires_at": {"N": "2"}},
    ],
    ids=["nothing", "fields", "alarm", "content", "rate"],
)
def test_what_is_no_message_is_not_shown_as_one(stubbed: Stubbed, item: dict[str, Any]) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_response("get_item", {"Item": item} if item else {}, GET)
    assert archive(dynamodb).get("id-1") is None


def test_a_page_is_one_query_newest_first(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    spam: dict[str, Any] = {"held": {"S": "quarantined"}, "signals": {"L": [{"S": "links"}]}, "score": {"N": "12"}}
    stub.add_response("query", {"Items": [listed("id-2", **spam), listed("id-1")]}, query())
    page = archive(dynamodb).page(Wanted("default"))
    assert [(one.id, one.state) for one in page.messages] == [("id-2", "quarantined"), ("id-1", "delivered")]
    assert page.messages[0].verdict == Verdict(("links",), 12, HoldReason.QUARANTINED)
    assert page.next is None


def test_a_page_goes_on_where_the_one_before_ended(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    key = {"id": {"S": "id-1"}, "site": {"S": "default"}, "received_at": {"N": str(NOW + 3)}}
    stub.add_response("query", {"Items": [listed("id-1", NOW + 3)], "LastEvaluatedKey": key}, query(1, NOW, NOW + 9))
    first = archive(dynamodb).page(Wanted("default", None, NOW, NOW + 10, 1))
    assert first.next == Position(NOW + 3, "id-1")
    stub.add_response("query", {"Items": []}, query(1, NOW, NOW + 9, ExclusiveStartKey=key))
    last = archive(dynamodb).page(Wanted("default", None, NOW, NOW + 10, 1, first.next))
    assert (last.messages, last.next) == ((), None)


def test_a_state_is_looked_for_in_one_full_query_and_the_rest_is_left_to_the_next_page(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    waiting = Delivery(State.WAITING, 1)
    items = [listed("id-4"), listed("id-3", NOW - 1, waiting), listed("id-2", NOW - 2, waiting), listed("id-1")]
    key = {"id": {"S": "id-1"}, "site": {"S": "default"}, "received_at": {"N": str(NOW - 9)}}
    for _ in range(2):
        stub.add_response("query", {"Items": items, "LastEvaluatedKey": key}, query(MAX_PAGE))
    full = archive(dynamodb).page(Wanted("default", MessageState.WAITING, limit=1))
    assert ([one.id for one in full.messages], full.next) == (["id-3"], Position(NOW - 1, "id-3"))
    rest = archive(dynamodb).page(Wanted("default", MessageState.WAITING, limit=2))
    assert ([one.id for one in rest.messages], rest.next) == (["id-3", "id-2"], Position(NOW - 9, "id-1"))


def test_a_page_without_any_that_fits_still_says_where_to_go_on(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    key = {"id": {"S": "id-1"}, "site": {"S": "default"}, "received_at": {"N": str(NOW)}}
    stub.add_response("query", {"Items": [listed("id-1")], "LastEvaluatedKey": key}, query(MAX_PAGE))
    page = archive(dynamodb).page(Wanted("default", MessageState.QUARANTINED))
    assert (page.messages, page.next) == ((), Position(NOW, "id-1"))


@pytest.mark.parametrize("operation", ["get_item", "query"])
def test_a_table_that_does_not_answer_is_a_store_error(stubbed: Stubbed, operation: str) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_client_error(operation, "ProvisionedThroughputExceededException", "MARKER")
    it = archive(dynamodb)
    with pytest.raises(StoreError) as caught:
        it.get("id-1") if operation == "get_item" else it.page(Wanted("default"))
    assert caught.value.reason == "ProvisionedThroughputExceededException"
    assert "MARKER" not in str(caught.value)


def test_a_client_of_boto3_serves_as_well() -> None:
    client = boto3.client("dynamodb", "eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("get_item", {}, GET)
        assert archive(client).get("id-1") is None

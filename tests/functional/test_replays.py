"""Exactly what a replay asks of DynamoDB, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.stub import Stubber

from chalicelib.adapters.dynamodb_items import attribute
from chalicelib.adapters.messages import delivery_fields
from chalicelib.adapters.replays import ReplayTable
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.replay import ReplayUpdate
from chalicelib.logic.spam import HoldReason
from tests.fakes import NOW, stage

Stubbed = Callable[[str], tuple[Any, Stubber]]
REJECTED = Delivery(State.REJECTED, 1, "run-1", error="ChannelRejectedError", since=NOW - 9)
PENDING = Delivery(State.PENDING, 1, since=NOW)
REVIVAL = ReplayUpdate({"pushover": REJECTED}, {"pushover": PENDING}, None, NOW, NOW + 900)
LINE = {
    "channel": {"S": "pushover"},
    "state": {"S": "pending"},
    "attempts": {"N": "1"},
    "since": {"N": str(NOW)},
    "error": {"S": ""},
    "reference": {"S": ""},
}


def written(condition: str, removed: str = "", **values: Any) -> dict[str, Any]:
    return {
        "TableName": "herald-dev-messages",
        "Key": {"id": {"S": "id-1"}},
        "UpdateExpression": (
            "SET due = :due, due_at = :due_at, replayed_at = :at, deliveries.#channel0 = :after0, "
            f"history = list_append(if_not_exists(history, :none), :lines){removed}"
        ),
        "ConditionExpression": (
            f"{condition} AND attribute_exists(id) AND deliveries.#channel0.#state = :state0 AND "
            "deliveries.#channel0.#attempts = :attempts0 AND deliveries.#channel0.#owner = :owner0"
        ),
        "ExpressionAttributeNames": {
            "#state": "state",
            "#attempts": "attempts",
            "#owner": "owner",
            "#channel0": "pushover",
        },
        "ExpressionAttributeValues": {
            ":due": {"S": "yes"},
            ":due_at": {"N": str(NOW + 900)},
            ":at": {"N": str(NOW)},
            ":after0": attribute(delivery_fields(PENDING)),
            ":state0": {"S": "rejected"},
            ":attempts0": {"N": "1"},
            ":owner0": {"S": "run-1"},
            ":none": {"L": []},
            ":lines": {"L": [{"M": LINE}]},
            **values,
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def test_a_replay_is_one_write_that_all_of_its_conditions_guard(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_response("update_item", {}, written("attribute_not_exists(held)"))
    assert ReplayTable(dynamodb, stage()).apply("id-1", REVIVAL) is True


def test_a_release_takes_away_what_it_found(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    held = {":held": {"S": "quarantined"}}
    stub.add_response("update_item", {}, written("held = :held", " REMOVE held", **held))
    revival = ReplayUpdate(REVIVAL.before, REVIVAL.after, HoldReason.QUARANTINED, NOW, NOW + 900)
    assert ReplayTable(dynamodb, stage()).apply("id-1", revival) is True


def failed(stub: Stubber, **deliveries: Delivery) -> None:
    there = {"M": {name: attribute(delivery_fields(delivery)) for name, delivery in deliveries.items()}}
    stub.add_client_error(
        "update_item",
        "ConditionalCheckFailedException",
        modeled_fields={"Item": {"id": {"S": "id-1"}, "deliveries": there}} if deliveries else {},
    )


def test_of_a_write_that_came_too_late_nothing_is_so(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    failed(stub, pushover=Delivery(State.SENDING, 2, "run-2"))
    failed(stub)
    table = ReplayTable(dynamodb, stage())
    assert [table.apply("id-1", REVIVAL), table.apply("gone", REVIVAL)] == [False, False]


def test_a_repetition_that_fails_on_its_own_success_succeeded(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    failed(stub, pushover=PENDING)
    assert ReplayTable(dynamodb, stage()).apply("id-1", REVIVAL) is True

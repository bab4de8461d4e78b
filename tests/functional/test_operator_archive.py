"""Whole messages, many at once: what DynamoDB leaves out of an answer is asked for again while it brings any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from chalicelib.errors import StoreError
from ops.operations.listing import OperatorArchive
from tests.fakes import NOW, stage

STAGE = stage()


def item(message_id: str) -> dict[str, Any]:
    if message_id.startswith("fields#"):
        return {"id": {"S": message_id}, "pairs": {"L": []}}
    numbers = {name: {"N": str(NOW)} for name in ("received_at", "stored_at", "expires_at")}
    return {"id": {"S": message_id}, "site": {"S": "default"}, **numbers, "deliveries": {"M": {}}}


class Table:
    """Answers with so many items at once; 0 is an answer that brings none."""

    def __init__(self, *sizes: int) -> None:
        self._sizes = list(sizes)
        self.calls = 0

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        size = self._sizes.pop(0) if len(self._sizes) > 1 else self._sizes[0]
        keys = RequestItems[STAGE.table]["Keys"]
        left = {STAGE.table: {"Keys": keys[size:], "ConsistentRead": True}} if keys[size:] else {}
        return {"Responses": {STAGE.table: [item(key["id"]["S"]) for key in keys[:size]]}, "UnprocessedKeys": left}


def archive(table: Table) -> tuple[OperatorArchive, list[float]]:
    waited: list[float] = []
    return OperatorArchive(cast(Any, table), STAGE, lambda: NOW, waited.append), waited


def test_a_part_is_no_failure_however_many_there_are() -> None:
    """1 MB of a partition at once: a hundred large forms take more than ten answers, twice: records, then fields."""
    table = Table(4)
    found, waited = archive(table)
    ids = [f"id-{number}" for number in range(100)]
    assert list(found.several(ids)) == ids
    assert (table.calls, waited) == (50, [])


def test_an_answer_that_brings_nothing_is_waited_after_longer_each_time() -> None:
    found, waited = archive(Table(0, 0, 1, 0, 5))
    assert len(found.several(["id-1", "id-2"])) == 2
    assert len(waited) == 3
    assert waited == sorted(waited)


def test_a_table_that_brings_nothing_any_more_is_an_error() -> None:
    found, waited = archive(Table(1, 0))
    with pytest.raises(StoreError):
        found.several(["id-1", "id-2"])
    assert 5 < sum(waited) < 60


def test_sites_that_have_left_are_read_off_their_messages_page_by_page(stubbed: Callable[[str], Any]) -> None:
    dynamodb, stub = stubbed("dynamodb")
    wanted = {"TableName": STAGE.table, "IndexName": STAGE.site_index, "ProjectionExpression": "site"}
    last = {"id": {"S": "id-2"}}
    items = [{"site": {"S": site}} for site in ("default", "old", "old")]
    stub.add_response("scan", {"Items": items, "LastEvaluatedKey": last}, wanted)
    stub.add_response("scan", {"Items": [{"site": {"S": "older"}}]}, wanted | {"ExclusiveStartKey": last})
    assert OperatorArchive(dynamodb, STAGE).sites() == ["default", "old", "older"]

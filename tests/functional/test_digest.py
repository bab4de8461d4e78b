"""``digest``: its handler, and the items of the table by which a site is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.adapters.last_digest import RETENTION, DigestItems
from chalicelib.composition import override_container
from chalicelib.errors import StoreError
from chalicelib.handlers import digest as handler
from chalicelib.settings import Digest
from tests.fakes import NOW, FakeContainer, RecordingNotifier, stage
from tests.unit.test_digest import SEVEN, SOME, InMemoryLog

Stubbed = Callable[[str], tuple[Any, Stubber]]
KEY = {"TableName": "t", "Key": {"id": {"S": "digest#default"}}}


def test_a_run_tells_what_there_is_and_logs_to_whom_and_not_what(log: Any) -> None:
    notifier = RecordingNotifier()
    it = FakeContainer(
        replace(stage(), digest=Digest(7)), archive=SOME, notifiers={"pushover": notifier}, now=SEVEN + 60
    )
    it.__dict__["digest_log"] = InMemoryLog()
    with override_container(it):
        handler.prepare("digest")
        handler.handle()
    assert len(notifier.delivered) == 1
    line = log.line("Digest sent")
    assert (line["site"], line["channel"]) == ("default", "pushover")
    assert "Delivered" not in log.text


def test_a_stage_without_digests_tells_nothing() -> None:
    with override_container(FakeContainer(stage())):
        handler.handle()


@pytest.mark.parametrize(("item", "until"), [({}, None), ({"Item": {"reported_until": {"N": str(NOW)}}}, NOW)])
def test_until_when_a_site_was_told_is_read_with_every_write_before(
    stubbed: Stubbed, item: dict[str, Any], until: int | None
) -> None:
    client, stub = stubbed("dynamodb")
    stub.add_response("get_item", item, {**KEY, "ConsistentRead": True})
    assert DigestItems(client, "t").reported_until("default") == until


@pytest.mark.parametrize(
    ("before", "condition"), [(None, "attribute_not_exists(reported_until)"), (NOW, "reported_until = :before")]
)
def test_a_claim_is_one_conditional_write_to_an_item_that_no_index_has(
    stubbed: Stubbed, before: int | None, condition: str
) -> None:
    client, stub = stubbed("dynamodb")
    asked: list[dict[str, Any]] = []
    client.meta.events.register_first(
        "before-parameter-build.dynamodb.UpdateItem", lambda params, **_: asked.append(dict(params))
    )
    stub.add_response("update_item", {})
    assert DigestItems(client, "t").claim("default", before, SEVEN)
    (params,) = asked
    assert params["Key"] == KEY["Key"]
    assert params["ConditionExpression"] == condition
    assert params["UpdateExpression"] == "SET reported_until = :until, run = :run, expires_at = :end"
    values = params["ExpressionAttributeValues"]
    assert (values[":until"], values[":end"]) == ({"N": str(SEVEN)}, {"N": str(SEVEN + RETENTION)})
    assert values.get(":before") == (None if before is None else {"N": str(before)})


def refused(stub: Stubber, run: str) -> None:
    stub.add_client_error(
        "update_item",
        "ConditionalCheckFailedException",
        http_status_code=400,
        modeled_fields={"Item": {"id": {"S": "digest#default"}, "run": {"S": run}}},
    )


def test_a_claim_that_another_run_made_is_none_and_ones_own_lost_answer_is_one(stubbed: Stubbed) -> None:
    client, stub = stubbed("dynamodb")
    refused(stub, "another")
    assert not DigestItems(client, "t").claim("default", NOW, SEVEN)

    client, stub = stubbed("dynamodb")
    refused(stub, "run-1")
    assert DigestItems(client, "t", lambda: "run-1").claim("default", NOW, SEVEN)


@pytest.mark.parametrize(
    ("before", "update", "values"),
    [(None, "REMOVE reported_until", {}), (NOW, "SET reported_until = :before", {":before": {"N": str(NOW)}})],
)
def test_what_was_claimed_is_put_back_unless_somebody_went_on(
    stubbed: Stubbed, before: int | None, update: str, values: dict[str, Any]
) -> None:
    client, stub = stubbed("dynamodb")
    expected = {
        **KEY,
        "UpdateExpression": update,
        "ConditionExpression": "reported_until = :until",
        "ExpressionAttributeValues": {":until": {"N": str(SEVEN)}, **values},
    }
    stub.add_response("update_item", {}, expected)
    DigestItems(client, "t").put_back("default", SEVEN, before)
    refused(stub, "another")
    DigestItems(client, "t").put_back("default", SEVEN, before)
    stub.assert_no_pending_responses()


@pytest.mark.parametrize("operation", ["get_item", "update_item"])
def test_a_table_that_refuses_is_a_store_error(stubbed: Stubbed, operation: str) -> None:
    client, stub = stubbed("dynamodb")
    items = DigestItems(client, "t")
    stub.add_client_error(operation, "AccessDeniedException", "MARKER", 400)
    with pytest.raises(StoreError, match="AccessDeniedException"):
        items.reported_until("default") if operation == "get_item" else items.claim("default", None, SEVEN)

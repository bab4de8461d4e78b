"""A person's replay as one write, on MiniStack's DynamoDB in this process."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.aws import ServiceError
from chalicelib.adapters.dynamodb_items import from_item
from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.replays import ReplayTable
from chalicelib.errors import StoreError
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.replay import ReplayUpdate
from chalicelib.logic.spam import NOTHING_FOUND, HoldReason, Verdict
from tests.dynamodb import LocalTable
from tests.fakes import NOW, message, site, stage

REJECTED = Delivery(State.REJECTED, 1, "run-1", error="ChannelRejectedError", since=NOW - 9)
DAY = 24 * 60 * 60
AT = NOW + 3 * DAY - 3600
GIVEN_UP_AFTER = stage().retry_times.give_up_seconds
DONE = Delivery(State.DELIVERED, 1, "run-1", reference="ref")
PENDING = Delivery(State.PENDING, 1, since=NOW)
UPDATE = ReplayUpdate({"pushover": REJECTED, "email": DONE}, {"pushover": PENDING, "email": DONE}, None, NOW, NOW + 900)
QUARANTINED = Verdict(("links",), 12, HoldReason.QUARANTINED)
STORED = Record("request-1", {"pushover": REJECTED, "email": DONE})
REPLAYED = Record("request-1", {"pushover": PENDING, "email": DONE}, NOTHING_FOUND, NOW + 900, NOW)


@pytest.fixture
def there() -> LocalTable:
    return LocalTable(stage().table)


def replayed(there: Any, stored: Record, update: ReplayUpdate = UPDATE) -> tuple[bool, Record | None]:
    """Whether a replay of the stored message was written, and the record after it."""
    MessageTable(there, stage()).add(message("id-1"), stored)
    before = len(there.calls)
    table = ReplayTable(there, stage())
    written = table.apply("id-1", update)
    assert [call.key for call in there.calls[before:]] == ["id-1", "fields#id-1", "id-1"]
    return written, table.find_record("id-1")


def test_a_replay_is_one_change_of_the_record_with_its_lines_of_history(there: LocalTable) -> None:
    assert replayed(there, STORED) == (True, REPLAYED)
    lines = [from_item(line["M"]) for line in there.items()["id-1"]["history"]["L"]]
    assert [(line["channel"], line["state"], line["since"]) for line in lines] == [
        ("pushover", "pending", NOW),
        ("email", "delivered", 0),
    ]


def test_a_release_takes_away_what_it_found(there: LocalTable) -> None:
    written, record = replayed(
        there, replace(STORED, verdict=QUARANTINED), replace(UPDATE, hold_reason=QUARANTINED.hold_reason)
    )
    assert (written, record) == (True, replace(REPLAYED, verdict=replace(QUARANTINED, hold_reason=None)))


@pytest.mark.parametrize(
    ("stored", "held"),
    [
        (replace(STORED, deliveries={"pushover": Delivery(State.SENDING, 2, "run-2"), "email": DONE}), None),
        (replace(STORED, deliveries={"pushover": REJECTED, "email": replace(DONE, attempts=2)}), None),
        (replace(STORED, deliveries={"pushover": replace(REJECTED, claimed_by="run-2"), "email": DONE}), None),
        (replace(STORED, deliveries={"pushover": REJECTED}), None),
        (replace(STORED, verdict=QUARANTINED), None),
        (STORED, HoldReason.QUARANTINED),
        (replace(STORED, verdict=QUARANTINED), HoldReason.DUPLICATE),
    ],
)
def test_a_write_that_came_too_late_changes_nothing(there: LocalTable, stored: Record, held: HoldReason | None) -> None:
    late = replace(UPDATE, hold_reason=held, at=NOW + 999 * DAY)
    assert replayed(there, stored, late) == (False, stored)
    assert from_item(there.item("id-1"))["expires_at"] < late.at


@pytest.mark.parametrize("left", [(), ("id-1",), ("fields#id-1",)])
def test_of_a_message_that_is_gone_nothing_is_made_and_nothing_is_promised(there: Any, left: tuple[str, ...]) -> None:
    MessageTable(there, stage()).add(message("id-1"), STORED)
    for key in {"id-1", "fields#id-1"} - set(left):
        there.delete_item(TableName=stage().table, Key={"id": {"S": key}})
    before = there.items()
    with pytest.raises(LookupError):
        ReplayTable(there, stage()).apply("id-1", replace(UPDATE, at=NOW + 999 * DAY))
    assert tuple(before) == left
    assert there.items() == before


@pytest.mark.parametrize("lost", [None, 0, 1])
@pytest.mark.parametrize(("days_kept", "expires_at"), [(3, AT + GIVEN_UP_AFTER + DAY), (365, NOW + 365 * DAY)])
def test_what_is_tried_again_is_kept_until_it_is_given_up_whichever_write_fails(
    there: Any, days_kept: int, expires_at: int, lost: int | None
) -> None:
    of_site = stage()._replace(sites={"default": site()._replace(retention_days=days_kept)})
    MessageTable(there, of_site, lambda: NOW).add(message("id-1"), STORED)
    writes = iter(range(9))

    def lose(operation: str, request: dict[str, Any]) -> None:
        if operation == "UpdateItem" and next(writes) == lost:
            raise ServiceError("InternalServerError", 500)

    there.before_call = lose
    for _ in range(1 if lost is None else 2):
        with suppress(StoreError):
            ReplayTable(there, of_site).apply("id-1", replace(UPDATE, at=AT))
        record = from_item(there.item("id-1"))
        kept = [from_item(item)["expires_at"] for item in there.items().values()]
        assert min(kept) > AT + GIVEN_UP_AFTER or "replayed_at" not in record
    assert (record["replayed_at"], kept) == (AT, [expires_at] * 2)


def test_a_repetition_that_fails_on_its_own_success_succeeded(there: LocalTable) -> None:
    assert replayed(there, replace(STORED, deliveries=REPLAYED.deliveries))[0] is True

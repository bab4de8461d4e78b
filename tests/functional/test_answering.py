"""A message is marked as answered, and lists say so."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.adapters.message_table import MessageTable, fields_key
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.stored_messages import ListedMessage, Wanted
from ops.operations.answered_mark import mark
from tests.dynamodb import LocalTable
from tests.fakes import NOW, message, stage

STAGE = stage()


@pytest.fixture
def table() -> Any:
    table: Any = LocalTable(STAGE.table)
    record = Record("run-1", {"pushover": Delivery(State.DELIVERED)})
    MessageTable(table, STAGE, lambda: NOW).add(message("id-1"), record)
    return table


def listed(table: Any) -> ListedMessage:
    """The message as a list shows it, from the index, which is the same as the message itself says."""
    archive = MessageArchive(table, STAGE, lambda: NOW)
    (of_list,) = archive.page(Wanted("default")).messages
    stored = archive.get("id-1")
    assert stored is not None
    assert stored.listed.answered_at == of_list.answered_at
    return of_list


def test_a_mark_is_shown_with_its_time_and_can_be_taken_away(table: Any) -> None:
    assert listed(table).as_json()["answered_at"] is None
    assert mark(table, STAGE, "id-1", NOW + 60)
    assert listed(table).as_json()["answered_at"] == NOW + 60
    assert mark(table, STAGE, "id-1", 0)
    assert listed(table).as_json()["answered_at"] is None


@pytest.mark.parametrize("other", ["gone", fields_key("id-1")])
def test_what_is_no_message_is_not_marked(table: Any, other: str) -> None:
    before = table.items()
    assert not mark(table, STAGE, other, NOW)
    assert table.items() == before

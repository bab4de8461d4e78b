"""The codec of DynamoDB items, against boto3's own."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from chalicelib.adapters.dynamodb_items import attribute, from_item, to_item
from chalicelib.logic.delivery_types import State

VALUES: dict[str, Any] = {
    "text": "Grüße",
    "empty": "",
    "number": 1767225600,
    "negative": -1,
    "list": [1, "two", []],
    "map": {"a": {"b": 2}, "none": {}},
    "set": {"x", "y"},
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_encoded_as_boto3_does_it_and_comes_back(name: str) -> None:
    value = VALUES[name]
    encoded: Any = attribute(value)
    assert TypeDeserializer().deserialize(encoded) == value
    assert from_item({name: TypeSerializer().serialize(value)}) == {name: value}
    assert from_item(to_item({name: value})) == {name: value}


def test_an_enum_member_is_stored_as_its_text_and_a_tuple_as_a_list() -> None:
    assert attribute((State.SENDING,)) == {"L": [{"S": "sending"}]}
    assert type(attribute(State.SENDING)["S"]) is str


@pytest.mark.parametrize("value", [True, None, 1.5, b"x", object()])
def test_what_no_item_holds_is_refused_by_its_type(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        attribute(value)


def test_what_a_later_release_stores_doesnt_keep_an_item_from_being_read() -> None:
    item = {"id": {"S": "id-1"}, "seen": {"BOOL": True}, "list": {"L": [{"NULL": True}]}}
    assert from_item(item)["id"] == "id-1"

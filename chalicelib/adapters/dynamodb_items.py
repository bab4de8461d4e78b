"""Convert between Python values and the attributes of a DynamoDB item.

An item of Herald's holds texts, whole numbers, lists, maps and sets of texts.

boto3's own ``TypeSerializer`` is not in the package that Lambda gets, and would load ``decimal`` at every start.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def attribute(value: object) -> dict[str, Any]:
    """Encode one value; raises TypeError for a type that no item of Herald's has. An enum member is stored as text."""
    match value:
        case str():
            return {"S": str(value)}
        case int() if not isinstance(value, bool):
            return {"N": str(value)}
        case Mapping():
            return {"M": to_item(value)}
        case list() | tuple():
            return {"L": [attribute(element) for element in value]}
        case set():
            return {"SS": sorted(value)}
    raise TypeError(f"an item can't hold a {type(value).__name__}")


def to_item(values: Mapping[str, object]) -> dict[str, Any]:
    """Encode an item, a key, or the values of an expression."""
    return {name: attribute(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Decode an item. What only a later release stores, such as a boolean, is kept as DynamoDB gave it."""
    return {name: _value(typed) for name, typed in item.items()}


def _value(typed: Mapping[str, Any]) -> Any:
    ((name, value),) = typed.items()
    match name:
        case "N":
            return int(value)
        case "M":
            return from_item(value)
        case "L":
            return [_value(element) for element in value]
        case "SS":
            return set(value)
    return value

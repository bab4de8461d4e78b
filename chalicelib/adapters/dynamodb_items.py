"""Convert between Python values and the attributes of a DynamoDB item.

Herald's items hold texts, whole numbers, lists, maps and sets of texts.

boto3's ``TypeSerializer`` is not in the deployment package, and would load ``decimal`` at every start.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def attribute(value: object) -> dict[str, Any]:
    """Encode one value; an enum member becomes text. Raises TypeError for a type that Herald's items don't hold."""
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
    """Decode an item. A value of a type that only a later release stores, such as a boolean, is kept encoded."""
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

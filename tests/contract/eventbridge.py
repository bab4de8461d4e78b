"""Matches events against patterns as EventBridge documents it, and refuses every operator that it doesn't know.

- Values, arrays, null and "": https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html and
  eb-event-patterns-arrays.html: "An event pattern matches the event if any of the values in the array match the value
  in the event. If the value in the event is an array, then the event pattern matches if the intersection of the event
  pattern array and the event array is non-empty."
- ``anything-but`` and ``$or``: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
- A field that the pattern names must be there: "Comparison operators only work on leaf nodes, with the exception of $or
  and anything-but" (the same page), and only ``exists`` matches what is absent.
- Objects in an array, as in ``Records``: EventBridge's own implementation flattens them, one element at a time ("array
  consistency", https://github.com/aws/event-ruler).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class UnknownPattern(Exception):
    """Something that this matcher does not implement, or that EventBridge would refuse."""


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether EventBridge would hand the event to the rule's targets."""
    if isinstance(event, list):
        return any(matches(pattern, element) for element in event)
    if not isinstance(pattern, Mapping) or not pattern:
        raise UnknownPattern(f"expected an object that is not empty, found {pattern!r}")
    return all(_field(key, wanted, event) for key, wanted in pattern.items())


def _field(key: str, wanted: Any, event: Any) -> bool:
    if key == "$or":
        if not isinstance(wanted, list) or len(wanted) < 2:
            raise UnknownPattern("$or takes a list of at least two patterns")
        # Each is looked at, so that none goes unchecked behind one that matches.
        found_in_each = [matches(one, event) for one in wanted]
        return any(found_in_each)
    if not isinstance(wanted, Mapping | list):
        raise UnknownPattern(f"{key}: expected a list of values or an object, found {wanted!r}")
    there = isinstance(event, Mapping) and key in event
    found = event[key] if there else None
    if isinstance(wanted, Mapping):
        return matches(wanted, found if isinstance(found, Mapping | list) else {})
    if not wanted:
        raise UnknownPattern(f"{key}: an empty list")
    candidates = found if isinstance(found, list) else [found]
    checked = [_checked(one) for one in wanted if not _is_exists(one)]
    is_leaf = there and not isinstance(found, Mapping)
    if any(_is_exists(one) and one["exists"] is is_leaf for one in wanted):
        return True
    return there and any(_leaf(one, value) for one in checked for value in candidates)


def _is_exists(wanted: Any) -> bool:
    """``{"exists": true}`` or ``{"exists": false}``, which look at whether there is a leaf at all."""
    return isinstance(wanted, Mapping) and set(wanted) == {"exists"} and isinstance(wanted["exists"], bool)


def _checked(wanted: Any) -> Any:
    if not isinstance(wanted, Mapping):
        return wanted
    if set(wanted) != {"anything-but"}:
        raise UnknownPattern(f"{wanted!r} is not implemented here")
    values = wanted["anything-but"]
    values = values if isinstance(values, list) else [values]
    if not values or any(isinstance(value, Mapping | list | bool) or value is None for value in values):
        raise UnknownPattern(f"anything-but of {values!r}")
    return {"anything-but": values}


def _leaf(wanted: Any, value: Any) -> bool:
    if isinstance(value, Mapping | list):
        return False
    if isinstance(wanted, Mapping):
        return not any(_same(one, value) for one in wanted["anything-but"])
    return _same(wanted, value)


def _same(wanted: Any, value: Any) -> bool:
    return isinstance(wanted, bool) == isinstance(value, bool) and bool(wanted == value)

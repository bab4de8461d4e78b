"""Check requests, answers and errors against the contracts of the Lambda Invoke API."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs

from ops.generate.invoke_contracts import contracts


@cache
def validator(function: str, part: str, *, closed: bool = False) -> Any:
    """Return a validator for ``part`` of a function's contract: ``request``, ``answer`` or ``error``.

    With ``closed``, properties that the contract doesn't have are invalid.
    """
    contract = contracts()[f"{function}.v1.json"]
    return jsonschema_rs.Draft202012Validator(_closed(contract["$defs"][part]) if closed else contract["$defs"][part])


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(value) for key, value in deepcopy(schema).items()}
    return found | ({"additionalProperties": False} if "properties" in found else {})


def fits(function: str, part: str, value: object) -> None:
    """Fail unless the value matches the contract and has no property that the contract lacks."""
    validator(function, part, closed=True).validate(value)


def error_fits(function: str, error_type: str, error_message: str) -> None:
    """Fail unless this error matches the function's contract."""
    fits(function, "error", {"errorType": error_type, "errorMessage": error_message})
    schema = contracts()[f"{function}.v1.json"]["$defs"]["error"]["properties"]["errorMessage"]["contentSchema"]
    jsonschema_rs.Draft202012Validator(_closed(schema)).validate(json.loads(error_message))

"""Check the parts that requests of the Lambda Invoke API have in common.

They are checked by hand, as that needs no import and names the wrong key. docs/contracts has the same as JSON Schemas,
made by ``ops/generate/invoke_contracts.py``; a test compares both.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.errors import InvalidRequestError

VERSION = 1
MAX_ID = 128
"""Most characters of any id."""


def check_keys(request: object, required: tuple[str, ...], optional: tuple[str, ...]) -> Mapping[str, object]:
    """Check that a request is an object of this version with no other keys; raises :class:`InvalidRequestError`.

    That a required key is present is checked where it is read.
    """
    if not isinstance(request, Mapping):
        raise InvalidRequestError("the request must be a JSON object", key="request")
    version = request.get("version")
    if version != VERSION or isinstance(version, bool):
        raise InvalidRequestError(f"version: expected {VERSION}", key="version")
    unknown = set(request) - {"version", *required, *optional}
    if unknown:
        key = min(map(str, unknown))
        key = key if len(key) <= MAX_ID else f"{key[: MAX_ID - 1]}…"  # Lambda writes what is raised to the log.
        known = ", ".join(("version", *required))
        raise InvalidRequestError(f"{key}: unknown; expected {known} and, optionally, {', '.join(optional)}", key=key)
    return request


def read_text(request: Mapping[str, object], key: str, longest: int | None = None) -> str:
    """Read a text that is more than white space; raises :class:`InvalidRequestError`, as the functions below."""
    value = request.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequestError(f"{key}: expected a text that is not empty", key=key)
    if longest is not None and len(value) > longest:
        raise InvalidRequestError(f"{key}: expected at most {longest} characters, found {len(value)}", key=key)
    return value


def read_flag(request: Mapping[str, object], key: str) -> bool:
    """Read a boolean; an absent key is false."""
    value = request.get(key, False)
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{key}: expected true or false", key=key)
    return value


def read_whole_number(request: Mapping[str, object], key: str, least: int, most: int | None = None) -> int:
    """Read a whole number. ``7.0`` is one, as JSON has no integers (JSON Schema, Core, 4.2.3)."""
    value = request.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        bounds = f"{least} to {most}" if most is not None else f"{least} or more"
        raise InvalidRequestError(f"{key}: expected a whole number, {bounds}", key=key)
    return value

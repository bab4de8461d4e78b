"""The contracts of the Lambda Invoke API and the code that checks requests say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import FunctionError, InvalidRequestError, NotifierError
from chalicelib.logic.file_names import kept_name
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.message_files import DeclaredFile, FileFacts, FileMark, MessageFile
from chalicelib.logic.notification import (
    MAX_FIELDS,
    MAX_FILES,
    MAX_LABEL,
    MAX_TEXT,
    MAX_TITLE,
    Notification,
    from_contact,
)
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.published_notification import MAX_LINK, MAX_MESSAGE, read
from chalicelib.logic.stored_message_requests import GetMessage, ListMessages
from chalicelib.logic.stored_messages import LATEST, MAX_CURSOR, MAX_PAGE, Position
from ops.generate import invoke_contracts
from tests.contracts import error_fits, validator
from tests.fakes import NOW, message, stage

READERS: dict[str, Callable[[object], object]] = {
    "notify": Notification.from_request,
    "get_message": GetMessage.from_request,
    "list_messages": ListMessages.from_request,
    "notification": lambda request: read(json.dumps(request), "id-1", NOW, stage()),
}
WHOLE: dict[str, dict[str, Any]] = {
    "notify": {
        "version": 1,
        "id": "id-1",
        "title": "Backup",
        "message": "Finished",
        "timestamp": NOW,
        "channel": "pushover",
        "reply_to": "ada@example.com",
        "fields": [{"name": "Name", "value": ""}],
        "options": {"priority": 1},
        "check": True,
        "files": [{"name": "a.jpg", "about": "image, 2.1 MB", "key": "files/1", "type": "image/jpeg"}],
    },
    "get_message": {"version": 1, "id": "id-1", "correlation_id": "mine"},
    "list_messages": {
        "version": 1,
        "site": "default",
        "state": "waiting",
        "since": NOW,
        "until": NOW + 9,
        "limit": 7,
        "cursor": Position(NOW, "id-1").as_cursor(),
        "correlation_id": "mine",
    },
    "notification": {
        "kind": "notification",
        "version": 1,
        "title": "Backup",
        "message": "Finished",
        "priority": "high",
        "link": "https://www.example.com/backups",
        "channels": ["pushover"],
        "key": "backup-2026-11-20",
    },
}
"""Requests with every key that there is."""

# U+3000 is the last of them.
BLANK = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
EDGES: list[Any] = [
    *(None, True, False, [], {}, "", " ", BLANK, BLANK + "x", "\ufeff", "\x00", "😀" * MAX_ID, "😀" * (MAX_ID + 1)),
    *("x" * length for length in (1, MAX_ID, MAX_ID + 1, 254, 255, MAX_CURSOR + 1)),
    *(-1, 0, 1, 1.0, -0.0, 0.5, 2, 1e300, MAX_PAGE, MAX_PAGE + 1, float(MAX_PAGE)),
    *(NOW, NOW + 8.0, LATEST - 1, LATEST, LATEST + 1),
    *(*MessageState, "accepted", "1", "id=", Position(NOW, "é").as_cursor(), Position(0, "x").as_cursor()),
    [{"name": "", "value": ""}],
    [{"name": "", "value": ""}, {"name": "", "value": 1}],
    *([{"name": "", "value": ""}] * number for number in (MAX_FIELDS, MAX_FIELDS + 1)),
    *([{"name": "", "about": ""}] * number for number in (MAX_FILES, MAX_FILES + 1)),
    *(
        [dict.fromkeys(("name", "about", "key", "type"), "") | {key: "x" * length}]
        for key in ("name", "about", "key", "type")
        for length in (MAX_LABEL, MAX_LABEL + 1)
    ),
    [{"name": "", "about": "x" * (MAX_LABEL + 1)}],
    [{"name": ""}],
    [{"name": None, "value": ""}],
    [[]],
    [{}],
    [{"name": "", "value": "", "more": ""}],
    {"priority": []},
    *("notification", "emergency", "http://x", "https://", "javascript:alert(1)", "https://x/ y", "https://ä.example"),
    *("https://" + "x" * (length - 8) for length in (MAX_LINK, MAX_LINK + 1)),
    *("x" * length for length in (MAX_TITLE, MAX_TITLE + 1, MAX_MESSAGE, MAX_MESSAGE + 1, MAX_TEXT, MAX_TEXT + 1)),
    *(["pushover"], ["pushover", "pushover"], ["nobody"], "pushover"),
]
values = st.one_of(
    st.sampled_from(EDGES),
    st.text(st.sampled_from(BLANK + "aé😀\x00\ufeff\u200b"), max_size=4),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)


@st.composite
def requests(draw: st.DrawFn, function: str) -> Any:
    """A request as it should be, with some keys left out, and up to two changed or added."""
    whole = WHOLE[function]
    left_out = draw(st.sets(st.sampled_from(sorted(whole)), max_size=2))
    changed = draw(st.dictionaries(st.sampled_from([*sorted(whole), "other", "Version", ""]), values, max_size=2))
    return {key: value for key, value in whole.items() if key not in left_out} | changed


def accepted(function: str, request: object) -> bool:
    try:
        READERS[function](request)
    except InvalidRequestError as error:
        return _is_said_in_words(request, error.key)
    return True


def _is_said_in_words(request: Any, key: str) -> bool:
    """Whether it is one of three faults that no schema can tell, which its descriptions say."""
    if key == "channels":
        return bool(validator("notification", "request").is_valid(request))
    if key not in ("until", "cursor") or not validator("list_messages", "request").is_valid(request):
        return False
    return key == "cursor" or bool(request.get("since", 0) >= request.get("until", LATEST))


@pytest.mark.parametrize("function", READERS)
def test_a_request_with_every_key_and_one_with_none_but_the_required_fit_both(function: str) -> None:
    required = validator(function, "request")
    for key in WHOLE[function]:
        less = {each: value for each, value in WHOLE[function].items() if each != key}
        assert accepted(function, less) == required.is_valid(less)
    assert accepted(function, WHOLE[function])
    assert required.is_valid(WHOLE[function])


@pytest.mark.parametrize("function", READERS)
def test_the_schema_takes_the_values_of_a_key_that_the_function_takes(function: str) -> None:
    for key in (*WHOLE[function], "other"):
        for value in EDGES:
            request = WHOLE[function] | {key: value}
            assert validator(function, "request").is_valid(request) == accepted(function, request), (key, value)


@pytest.mark.parametrize("function", READERS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_schema_takes_what_the_function_takes_and_nothing_else(function: str, data: st.DataObject) -> None:
    request = data.draw(requests(function))
    assert validator(function, "request").is_valid(request) == accepted(function, request)


@pytest.mark.parametrize("function", READERS)
@pytest.mark.parametrize("other", [[], None, "x", 1])
def test_what_is_no_object_is_no_request(function: str, other: Any) -> None:
    assert not validator(function, "request").is_valid(other)
    assert not accepted(function, other)


def test_white_space_is_the_same_to_the_schema_and_the_code() -> None:
    blank = jsonschema_rs.Draft202012Validator({"pattern": invoke_contracts.NOT_BLANK})
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assert [one for one in characters if blank.is_valid(one) == one.isspace()] == []


def test_what_destined_asks_a_notifier_fits_the_contract() -> None:
    name = kept_name(f"{'x' * 500}.pdf", 1)
    file = MessageFile(DeclaredFile(name, "", 999_499, ""), FileFacts("document", "application/pdf"))
    fields = {"email": "ada@example.com", "message": "Hello", **{f"field {n}": "x" for n in range(MAX_FIELDS - 2)}}
    for mark in (None, *FileMark):
        marked = replace(file, facts=replace(file.facts, mark=mark))
        longest = message("i" * MAX_ID, site="s" * MAX_ID, **fields)
        told = from_contact(longest, files=[marked] * MAX_FILES).as_request()
        validator("notify", "request").validate(told)
        assert len(Notification.from_request(told).fields) == MAX_FIELDS


def test_a_key_that_the_contract_lacks_is_named() -> None:
    with pytest.raises(ValueError, match=r"other keys than a request has: other$"):
        invoke_contracts._request(("id",), ("other",), {"id": {}})


@pytest.mark.parametrize("function", READERS)
def test_every_contract_is_a_valid_schema_in_all_its_parts(function: str) -> None:
    contract = invoke_contracts.contracts()[f"{function}.v1.json"]
    jsonschema_rs.meta.validate(contract)
    assert set(contract["$defs"]) == {"request", "answer", "error"}


ERRORS = {
    "notify": {"InvalidRequestError", "ChannelRejectedError", "ChannelUnavailableError", "ChannelUncertainError"},
    "get_message": {"InvalidRequestError", "NotFoundError", "UnavailableError"},
    "list_messages": {"InvalidRequestError", "UnavailableError"},
}


def test_each_error_of_the_tree_is_of_a_contract_and_the_reverse() -> None:
    classes = {*FunctionError.__subclasses__(), *NotifierError.__subclasses__()} - {NotifierError}
    found = {}
    for function in ERRORS:
        error = invoke_contracts.contracts()[f"{function}.v1.json"]["$defs"]["error"]
        kinds = error["properties"]["errorType"]["oneOf"]
        found[function] = {kind["const"] for kind in kinds}
        assert all(kind["description"] for kind in kinds)
    assert found == ERRORS
    assert {cls.__name__ for cls in classes} == set().union(*found.values())
    for function, names in found.items():
        for cls in classes:
            if cls.__name__ in names:
                error_fits(function, cls.__name__, str(cls("what is wrong", key="id", retry_after=5)))
                error_fits(function, cls.__name__, str(cls("what is wrong")))

"""Generate the contracts of the Lambda Invoke API: ``docs/contracts/<function>.v<version>.json``.

Each file holds three JSON Schemas (https://json-schema.org/draft/2020-12): ``#/$defs/request``, ``answer`` and
``error``. They are made from the code that checks requests, so schema and code accept the same ones, apart from what a
description states. An answer may gain properties within a version.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.logic import message, notification, published_notification, stored_message_requests
from chalicelib.logic.delivery_types import NOTIFICATION_SOURCE, Action, State
from chalicelib.logic.file_extensions import KINDS, MARKUP, OTHER
from chalicelib.logic.invoke_contract import MAX_ID, VERSION
from chalicelib.logic.message_files import FileMark
from chalicelib.logic.message_kinds import KIND_NOTIFICATION
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.spam import HoldReason
from chalicelib.logic.stored_messages import LATEST, MAX_CURSOR, MAX_PAGE, OwnerMark
from chalicelib.settings import SITE_OF_PROGRAMS

Schema = dict[str, Any]

NOT_BLANK = r"[^\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""A character that is not white space according to ``str.isspace``, as an ECMA-262 pattern."""


def contracts() -> dict[str, Schema]:
    """Return each contract by its file name."""
    return {f"{name}.v{VERSION}.json": contract for name, contract in _each().items()}


def _each() -> dict[str, Schema]:
    return {
        "notify": _contract(
            "notify_<kind>: tell the owner by a channel",
            _request(notification.REQUIRED, notification.OPTIONAL, NOTIFY),
            NOTIFIED,
            _error(InvalidRequestError, ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError),
        ),
        "notification": _contract(
            "A notification that a program publishes to the topic",
            _request(published_notification.REQUIRED, published_notification.OPTIONAL, NOTIFICATION),
            _outcome({"enum": _ENDS}, CHANNELS),
            _outcome({"const": str(Action.REJECTED_PUBLICATION)}, {"rejected": REJECTED}),
            "answer and error are the `responsePayload` of the event on the bus. docs/notify.md has the words.",
        ),
        "get_message": _contract(
            "get_message: a message and all that is known of it",
            _request(stored_message_requests.REQUIRED_TO_GET, stored_message_requests.OPTIONAL_TO_GET, GET),
            _object(LISTED | STORED),
            _error(InvalidRequestError, NotFoundError, UnavailableError),
        ),
        "list_messages": _contract(
            "list_messages: a page of a site's messages, newest first",
            _request(stored_message_requests.REQUIRED_TO_LIST, stored_message_requests.OPTIONAL_TO_LIST, LIST),
            _object(
                {
                    "messages": _list(_object(LISTED)),
                    "cursor": _or_null(_text("Where the next page begins; null behind the last")),
                }
            ),
            _error(InvalidRequestError, UnavailableError),
        ),
    }


def _contract(
    title: str, request: Schema, answer: Schema, error: Schema, where: str = "docs/invoke-api.md has the words."
) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{title}, version {VERSION}",
        "description": f"Made by `./herald render` of what checks requests. {where}",
        "$defs": {"request": request, "answer": answer, "error": error},
    }


def _outcome(action: Schema, more: dict[str, Schema]) -> Schema:
    """Return the schema of what ``destined`` returns about a notification."""
    about = {
        "id": _text("By which it is looked up"),
        "site": {"const": SITE_OF_PROGRAMS},
        "channels": {"type": "object"},
    }
    return _object({"source": {"const": NOTIFICATION_SOURCE}, "action": action, "message": _object(about | more)})


def _request(required: tuple[str, ...], optional: tuple[str, ...], described: Mapping[str, Schema]) -> Schema:
    """Return the schema of a request with these keys.

    Raises ValueError unless ``described`` has exactly the required and optional keys.
    """
    if set(described) != {*required, *optional}:
        wrong = sorted(set(described) ^ {*required, *optional})
        raise ValueError(
            f"ops/generate/invoke_contracts.py describes other keys than a request has: {', '.join(wrong)}"
        )
    return {
        "type": "object",
        "required": ["version", *required],
        "properties": {
            "version": {"const": VERSION},
            **{key: described[key] for key in (*required, *optional)},
        },
        "additionalProperties": False,
    }


def _error(*classes: type[FunctionError]) -> Schema:
    """Return the schema of what Lambda answers when a function raises one of ``classes``.

    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    detail = _object(
        {
            "message": _text("For people. Its words may change within a version"),
            "key": _text("What is wrong in the request"),
            "retry_after": {"type": "integer", "minimum": 0, "description": "Seconds: the provider's own wait"},
        },
        optional=("key", "retry_after"),
    )
    return _object(
        {
            "errorType": {
                "description": "Any other is not of the contract; what then became of the request is not known",
                "oneOf": [{"const": cls.__name__, "description": _first_line(cls)} for cls in classes],
            },
            "errorMessage": {"type": "string", "contentMediaType": "application/json", "contentSchema": detail},
        }
    )


def _first_line(cls: type[FunctionError]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0].rstrip(".").replace("``", "`")


def _object(properties: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "required": [key for key in properties if key not in optional],
        "properties": dict(properties),
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _text(description: str = "") -> Schema:
    return {"type": "string"} | ({"description": description} if description else {})


def _id(description: str, longest: int = MAX_ID) -> Schema:
    """Return the schema of a text in a request that must not be blank."""
    return _text(description) | {"pattern": NOT_BLANK, "maxLength": longest}


def _number(description: str, least: int = 0, most: int | None = None) -> Schema:
    return {"type": "integer", "minimum": least} | ({"maximum": most} if most else {}) | {"description": description}


def _or_null(schema: Schema) -> Schema:
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    return schema | {"type": [schema["type"], "null"]}


_LONGEST = _text() | {"maxLength": notification.MAX_TEXT}
_LABEL = _text() | {"maxLength": notification.MAX_LABEL}
_SECONDS = "seconds since the epoch"
_CORRELATION = _id("Your own id of what you do; the function's log lines have it")

NOTIFY: dict[str, Schema] = {
    "id": _id("Your own id of the thing; the function's log lines have it"),
    "title": _id("The provider's limit cuts it", notification.MAX_TEXT),
    "message": _id("The provider's limit cuts it", notification.MAX_TEXT),
    "timestamp": _or_null(_number(f"When it happened, {_SECONDS}", most=message.LATEST)),
    "channel": _id("One of herald.toml that the function serves; needed where it serves several"),
    "reply_to": _id("An e-mail address to answer to, for a channel that can", notification.MAX_ADDRESS),
    "fields": _list(_object({"name": _LONGEST, "value": _LONGEST}) | {"additionalProperties": False})
    | {
        "maxItems": notification.MAX_FIELDS,
        "description": "What the message is made of. One named `message` is what is shown as the message",
    },
    "options": {"type": "object", "description": "What only one kind of channel knows; each kind checks its own"},
    "check": {"type": "boolean", "description": "True: only find out whether it could be delivered, and ring nobody"},
    "site": _id("Which website it is of, for its reader", notification.MAX_LABEL),
    "full_text_at": _id("Where all of it is: shown by a channel that has to cut", notification.MAX_LABEL),
    "inbox": _id("Where its owner can open it, shown below the text", notification.MAX_INBOX),
    "files": _list(
        {
            "oneOf": [
                _object({"name": _LABEL, "about": _LABEL}) | {"additionalProperties": False},
                _object({"name": _LABEL, "about": _LABEL, "key": _LABEL, "type": _LABEL})
                | {"additionalProperties": False, "description": "It may be attached: its key in the stage's bucket"},
            ]
        }
    )
    | {"maxItems": notification.MAX_FILES, "description": "The files that came with it: their names, and what each is"},
    "files_at": _id("How to get the files", notification.MAX_LABEL),
    "body": _id("How its text is laid out, as `body` of a channel: docs/channels/README.md", notification.MAX_BODY),
}
QUOTA: Schema = _object(
    {
        "limit": _number("Messages that the provider takes in all"),
        "remaining": _number("Those that it still takes"),
        "reset": _or_null(_number(f"When all may be sent again, {_SECONDS}; null where that moves along")),
    }
)
NOTIFIED: Schema = {
    "oneOf": [
        _object(
            {
                "channel": _text("The channel that it went to"),
                "status": {"const": "delivered"},
                "reference": _text("The provider's id of what it accepted"),
                "quota": QUOTA | {"description": "What is left; only where the provider's answer tells it"},
            },
            optional=("quota",),
        ),
        _object(
            {
                "channel": _text("The channel that it would go to"),
                "checked": {"const": True, "description": "Only to a request with `check`: it could be delivered"},
                "quota": _or_null(QUOTA) | {"description": "What is left; null where there is none, or none is known"},
            }
        ),
    ]
}
GET: dict[str, Schema] = {
    "id": _id("The message's id, as the form's answer, the log and the bus tell it"),
    "correlation_id": _CORRELATION,
}
LIST: dict[str, Schema] = {
    "site": _id("A site of herald.toml, or one that has left it"),
    "state": {"enum": [str(state) for state in MessageState]},
    "since": _number(f"The first second of receipt, {_SECONDS}", most=LATEST - 1),
    "until": _number("The second after the last one. It must be later than `since`", 1, LATEST),
    "limit": _number("Messages of a page at most", 1, MAX_PAGE),
    "cursor": _text("That of the page before, asked for with the same `since` and `until`. No other is taken")
    | {"pattern": "^[A-Za-z0-9_-]+$", "maxLength": MAX_CURSOR},
    "correlation_id": _CORRELATION,
}
OUTCOME: dict[str, Schema] = {
    "state": {"enum": [str(state) for state in State]},
    "attempts": _number("How many attempts there were"),
    "since": _or_null(_number(f"When this state began, {_SECONDS}; null as long as nothing was tried")),
    "error": _or_null(_text("The class of the last error")),
    "reference": _or_null(_text("The provider's id of what it accepted")),
}
REJECTED: Schema = _object(
    {"key": _text("The key at fault"), "reason": _text("What is wrong with it, and what is right")}
) | {"description": "Why what a program published is no notification"}
_ENDS = sorted(
    str(action) for action in set(Action) - {Action.REJECTED_PUBLICATION, Action.QUARANTINED, Action.DUPLICATE}
)
CHANNELS: dict[str, Schema] = {
    "channels": {
        "type": "object",
        "description": "By the channel's name",
        "additionalProperties": {"enum": [str(state) for state in State]},
    }
}
NOTIFICATION: dict[str, Schema] = {
    "kind": {"const": KIND_NOTIFICATION},
    "title": _id("The provider's limit cuts it", notification.MAX_TITLE),
    "message": _id("Plain text; the provider's limit cuts it", published_notification.MAX_MESSAGE),
    "priority": {"enum": list(published_notification.PRIORITY), "description": "For a channel that has priorities"},
    "link": _text("Where to read on")
    | {"pattern": published_notification.LINK, "maxLength": published_notification.MAX_LINK},
    "channels": _list(_text())
    | {"minItems": 1, "description": "Channels of herald.toml that any site uses. No other is taken"},
    "key": _id("Your own id of the thing: all publications with it are one message, and must have one content"),
}
LISTED: dict[str, Schema] = {
    "id": _text(),
    "site": _text(),
    "received_at": _number(f"When the API took it, {_SECONDS}"),
    "state": {"enum": [str(state) for state in MessageState]},
    "channels": {
        "type": "object",
        "description": "By the channel's name",
        "additionalProperties": _object(
            OUTCOME | {"next_attempt_at": _or_null(_number(f"When another attempt may be made, {_SECONDS}"))}
        ),
    },
    "held": _or_null({"enum": [str(held) for held in HoldReason], "description": "Why it rings nobody"}),
    "signals": _list(_text()) | {"description": "What makes it look like spam"},
    "score": _number("The points of its signals"),
    "rejected": _or_null(REJECTED),
    "answered_at": _or_null(_number(f"When the owner marked it as answered, {_SECONDS}")),
}
STORED: dict[str, Schema] = {
    "duplicate_of": _or_null(_text("The id of the message that had the same content before")),
    "fields": {
        "type": "object",
        "description": "What was typed, in the order sent",
        "additionalProperties": _text(),
    },
    "files": _list(
        _object(
            {
                "name": _text("As the visitor's system named it, without a path"),
                "size": _number("Bytes"),
                "sha256": _text(),
                "declared_type": _text("The media type that the browser declared"),
                "kind": _or_null(
                    {"enum": [*KINDS, MARKUP, OTHER], "description": "What it is by its bytes; null while not known"}
                ),
                "type": _or_null(_text("Its media type by its bytes")),
                "mark": _or_null({"enum": [str(mark) for mark in FileMark], "description": "Why it was not attached"}),
                "exif": {
                    "type": "object",
                    "description": "An image's EXIF data: docs/files.md",
                    "additionalProperties": _text(),
                },
            }
        )
    )
    | {"description": "What came with it, in the order sent"},
    "stored_at": _number(_SECONDS.capitalize()),
    "expires_at": _number(f"When it is deleted, {_SECONDS}; DynamoDB does so within days after"),
    "due_at": _or_null(_number(f"When it is looked at again, {_SECONDS}; null for never more")),
    "history": _list(
        _object(OUTCOME | {"channel": _text(), "by": _or_null(_text("In whose inbox a replay was asked for"))})
    )
    | {"description": "How each attempt of each channel ended, oldest first; a line with state pending is its replay"},
    "marks": _list(
        _object(
            {
                "mark": {"enum": [str(mark) for mark in OwnerMark]},
                "at": _number(_SECONDS.capitalize()),
                "by": _or_null(_text("In whose inbox it was made")),
            }
        )
    )
    | {"description": "What the owner decided about it, oldest first"},
}

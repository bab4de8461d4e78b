"""Apprise, by an Apprise API server of the owner's: https://github.com/caronc/apprise-api#readme

docs/decisions/0049-apprise-stays-outside.md says why the library itself runs in no function.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from chalicelib.logic.channel_kind import (
    Answer,
    AnswerMeaning,
    ChannelKind,
    Flag,
    HttpApi,
    OneOf,
    Option,
    Request,
    RequestInputs,
    Secret,
    Text,
    encoded,
    matching,
)
from chalicelib.logic.notification import MAX_TITLE, Notification
from chalicelib.logic.notification_text import lay_out
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.provider_limits import CHARACTERS, Limit

_CODES = "https://github.com/caronc/apprise-api#api-response-codes"
BODY = Limit(
    "Apprise API",
    "`body`",
    32_768,
    CHARACTERS,
    source="https://github.com/caronc/apprise/blob/master/apprise/plugins/base.py (`body_maxlen`)",
    source_read="2026-11",
    note="each service behind it has a limit of its own, for which its address has `?overflow=split`",
)


def _request(notification: Notification, inputs: RequestInputs) -> Request:
    limit, options = BODY.scaled(inputs.share), inputs.options
    body = {
        "title": cut(one_line(notification.title), MAX_TITLE),
        "body": lay_out(notification, limit.fits),
        # As other formats would make markup of what visitors typed.
        "format": "text",
        "type": options["type"],
        "tag": options["tag"],
    }
    return Request(
        f"{inputs.url}/notify/{inputs.secrets['key']}",
        encoded({name: value for name, value in body.items() if value}),
        # Its log would be part of the answer, and holds what was sent.
        _headers(inputs) | {"X-Apprise-Log-Level": "CRITICAL"},
    )


def _check(inputs: RequestInputs) -> Request:
    """The addresses below the key, without their secrets."""
    return Request(f"{inputs.url}/json/urls/{inputs.secrets['key']}?privacy=1", None, _headers(inputs))


def _headers(inputs: RequestInputs) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if inputs.options["protected"]:
        login = base64.b64encode(inputs.secrets["login"].encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    return headers


def _reference(answer: Mapping[str, Any]) -> str:
    return "accepted" if "details" in answer and answer.get("error") is None else ""


KIND = ChannelKind(
    kind="apprise",
    provider="Apprise API",
    reaches="[every service that Apprise knows](https://appriseit.com/services/), by a server of your own",
    leaves_copies_with="your Apprise server, and the services behind it",
    http=HttpApi(
        request=_request,
        reference=_reference,
        check=_check,
        answers=(
            Answer(
                200,
                AnswerMeaning.DELIVERED,
                '{"error": null, "details": []}',
                "every service has taken it. It has no id, so the reference is `accepted`",
                _CODES,
            ),
            Answer(204, AnswerMeaning.OWNER_MUST_ACT, "", "nothing is configured below this key", _CODES),
            Answer(
                401,
                AnswerMeaning.OWNER_MUST_ACT,
                "<html><head><title>401 Authorization Required</title></head></html>",
                "`login` is wrong, or `protected` not set",
                "https://github.com/caronc/apprise-api#authentication",
            ),
            Answer(
                424,
                AnswerMeaning.UNCERTAIN,
                '{"error": "One or more notification could not be sent", "details": []}',
                "some services may have taken it, or no address has the `tag`",
                _CODES,
            ),
            Answer(
                431,
                AnswerMeaning.REJECTED,
                '{"error": "JSON Payload provided is to large"}',
                "longer than the server takes",
                _CODES,
            ),
        ),
    ),
    own_address=True,
    options=(
        Option(
            "tag",
            Text(r"[A-Za-z0-9_-]{1,60}([, ][A-Za-z0-9_-]{1,60}){0,9}", "up to 10 tags, between commas or spaces"),
            "[which of the addresses below the key](https://github.com/caronc/apprise-api#tagging)",
            default_doc="each",
        ),
        Option(
            "type",
            OneOf(("info", "success", "warning", "failure")),
            "`info`, `success`, `warning` or `failure`",
            default="info",
            requestable=True,
        ),
        Option("protected", Flag(), "`true` to send the secret `login`", default=False),
    ),
    secrets=(
        Secret(
            "key",
            "the key below which your server keeps its addresses",
            matching(r"[A-Za-z0-9_-]{1,128}", "up to 128 of A-Z, a-z, 0-9, - and _"),
            "herald-local-key",
        ),
        Secret(
            "login",
            "with `protected`: user and password of the proxy before it, with a colon between",
            matching(r"[!-9;-~]{1,100}:[!-~]{1,200}", "a user, a colon and a password, in ASCII without spaces"),
            "herald:local-password",
            needed=lambda channel: bool(channel.options["protected"]),
        ),
    ),
    limits=(BODY,),
    priorities={
        "low": {"type": "info"},
        "normal": {"type": "info"},
        "high": {"type": "warning"},
        "emergency": {"type": "failure"},
    },
)

"""What a webhook says in each format, and what it takes for an address, a secret and a template."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook

from chalicelib.logic import webhook_request
from chalicelib.logic.channel_kind import encoded
from chalicelib.logic.notification import Notification
from chalicelib.logic.plain_text import CUT_MARK
from chalicelib.logic.webhook_request import WebhookMistake
from tests.fakes import NOW

IT = Notification("id-1", "A title", "Line 1\nLine 2", NOW, reply_to="ada@example.com", fields=(("name", "Ada"),))
HOSTILE = [
    "<!channel> <@U1> <https://evil.example|bank>",
    "@everyone @here [bank](https://evil.example) **bold** `x` <@1> <:a:1> ||spoiler||", '"}, {"text": "broken out',
    "\\", "{title} {{x}} {fields.name}", "{{DATE(2017-02-14T06:00:00Z)}}", "\ud800 half a pair", "\x00\x1b[31m",
]  # fmt: skip


def with_message(text: str) -> Notification:
    return replace(IT, message=text)


# The id


def test_the_id_is_the_same_for_each_attempt_and_another_for_each_message_and_channel() -> None:
    one = webhook_request.webhook_id("id-1", "own")
    assert one == webhook_request.webhook_id("id-1", "own") == "msg_cb483cd1d07fbccc0dff77dba021a84c"
    others = {webhook_request.webhook_id(*pair) for pair in (("id-2", "own"), ("id-1", "other"), ("own", "id-1"))}
    assert len(others | {one}) == 4


@pytest.mark.parametrize("text", ["a.b", "1.2.{", "line\r\nwebhook-signature: x", "я" * 128, "\ud800", " "])
def test_no_text_of_a_caller_puts_a_full_stop_or_a_line_break_into_the_id(text: str) -> None:
    found = webhook_request.webhook_id(text, "own")
    assert found.removeprefix("msg_").isalnum()
    assert found.isascii()


# The secret


def secret(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_of_the_specification_is_taken_and_the_library_takes_it_too(size: int) -> None:
    assert webhook_request.signing_secrets(f" {secret(size)}\n") == [secret(size)]
    Webhook(secret(size))


def test_two_secrets_stand_between_spaces_while_a_receiver_changes_to_a_new_one() -> None:
    assert webhook_request.signing_secrets(f"{secret(24)} {secret(32)}") == [secret(24), secret(32)]


NOTHING = "expected a secret, found nothing"
NO_SECRET = "expected whsec_ and 24 to 64 bytes in base64"


@pytest.mark.parametrize("text", [
    "", " ", f"{secret(32)}!", secret(23), secret(65), secret(32)[6:], "whsec_", "whsec_MARKER!",
    f"{secret(32)} MARKER", "whsk_" + "A" * 32,
])  # fmt: skip
def test_any_other_secret_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(WebhookMistake) as caught:
        webhook_request.signing_secrets(text)
    assert str(caught.value) == (NO_SECRET if text.strip() else NOTHING)


# The address


@pytest.mark.parametrize("address", [
    "https://hooks.slack.com/services/T/B/x", "https://example.com:8443/a?b=c&d=%20", "https://10.0.0.1/inside-a-vpc",
    "https://[2001:db8::1]/",
])  # fmt: skip
def test_an_https_address_is_taken_on_every_stage(address: str) -> None:
    assert webhook_request.checked_address(f"{address}\n", local=False) == address
    assert webhook_request.checked_address(address, local=True) == address


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080/x", "http://localhost/x", "https://127.0.0.1/x"])
def test_this_machine_is_for_stage_local_alone(address: str) -> None:
    assert webhook_request.checked_address(address, local=True) == address
    with pytest.raises(WebhookMistake):
        webhook_request.checked_address(address, local=False)


@pytest.mark.parametrize("address", [
    "", "MARKER", "http://MARKER.example.com/", "ftp://MARKER.example.com/", "//MARKER.example.com/", "https:///MARKER",
    "https://MARKER@example.com/", "https://user:MARKER@example.com/", "https://example.com/MARKER a",
    "https://example.com/MARKER\r\nHost: x", "https://example.com\\MARKER", "https://exämple.com/MARKER",
    "https://example.com:65536/MARKER", "https://[::1/MARKER", "https://localhost/MARKER", "https://127.0.0.1/MARKER",
    "https://127.9.9.9/MARKER", "https://[::1]/MARKER", "https://169.254.169.254/MARKER", "https://[fe80::1]/MARKER",
    "https://0.0.0.0/MARKER", "https://224.0.0.1/MARKER",
])  # fmt: skip
def test_any_other_address_is_refused_without_being_quoted(address: str) -> None:
    with pytest.raises(WebhookMistake) as caught:
        webhook_request.checked_address(address, local=False)
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://example.com/a b", "expected an address in ASCII without spaces, control characters or a backslash"),
        ("https://example.com:65536/", "expected an address with a host and, if any, a port from 0 to 65535"),
        ("https://169.254.169.254/", "expected an address of another machine"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(address: str, said: str) -> None:
    with pytest.raises(WebhookMistake) as caught:
        webhook_request.checked_address(address, local=False)
    assert str(caught.value) == said


def test_on_stage_local_http_leads_nowhere_but_to_this_machine() -> None:
    for address in ("http://example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/"):
        with pytest.raises(WebhookMistake):
            webhook_request.checked_address(address, local=True)


@pytest.mark.parametrize(
    ("kind", "address", "goes_to"),
    [
        ("standard", "https://e.example/a?b=c", "https://e.example/a?b=c"),
        ("slack", "https://hooks.slack.com/services/T/B/x", "https://hooks.slack.com/services/T/B/x"),
        ("discord", "https://discord.com/api/webhooks/1/x", "https://discord.com/api/v10/webhooks/1/x?wait=true"),
        (
            "discord",
            "https://d.example/api/webhooks/api/webhooks/",
            "https://d.example/api/v10/webhooks/api/webhooks/?wait=true",
        ),
        ("discord", "https://discord.com/api/v9/webhooks/1/x", "https://discord.com/api/v9/webhooks/1/x?wait=true"),
        ("discord", "https://d.example/1/x?thread_id=2", "https://d.example/1/x?thread_id=2&wait=true"),
        ("discord", "https://d.example/1/x?wait=false", "https://d.example/1/x?wait=false"),
    ],
)
def test_where_a_request_goes(kind: str, address: str, goes_to: str) -> None:
    assert webhook_request.api_address(kind, address) == goes_to


# Bodies


RECEIVED = {"type": "message.received", "timestamp": "2026-01-01T00:00:00Z"}


def test_the_standard_body_holds_everything_and_cuts_nothing() -> None:
    long = "x" * 100_000
    data = {"id": "id-1", "title": "A title", "message": f"{long}\n\nName: Ada", "reply_to": "ada@example.com"}
    more = {"site": None, "fields": [{"name": "name", "value": "Ada"}]}
    assert webhook_request.standard(with_message(long), NOW + 5) == RECEIVED | {"data": data | more}


def test_the_standard_body_has_the_same_keys_whatever_is_missing() -> None:
    bare = webhook_request.standard(Notification("id-1", "t", "m"), NOW)
    shown = {"id": "id-1", "title": "t", "message": "m", "reply_to": None, "site": None}
    assert bare == {**RECEIVED, "data": {**shown, "fields": []}}


def body(kind: str, notification: Notification) -> dict[str, Any]:
    made = {
        "slack": webhook_request.slack,
        "discord": webhook_request.discord,
        "teams": webhook_request.teams,
        "standard": lambda it: webhook_request.standard(it, NOW),
    }[kind](notification)
    found: dict[str, Any] = json.loads(encoded(made))
    return found


def test_slack_is_given_a_text_and_opens_no_link() -> None:
    assert body("slack", replace(with_message("a < b & c > d"), reply_to="")) == {
        "text": "*A title*\na &lt; b &amp; c &gt; d\n\nName: Ada",
        "unfurl_links": False,
        "unfurl_media": False,
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_nobody_rings_a_slack_channel_or_hides_a_link(text: str) -> None:
    said = body("slack", replace(IT, title=text, message=text))["text"]
    said, _, reply = said.partition("<")
    assert re.fullmatch(r"mailto:[!-;=?-{}~]+\|Reply to ada@example\.com>", reply), "the only link is Herald's"
    assert ">" not in said


def test_discord_is_given_a_content_that_mentions_nobody() -> None:
    assert body("discord", with_message("1 * 2")) == {
        "content": "**A title**\n1 \\* 2\n\nName\\: Ada",
        "allowed_mentions": {"parse": []},
        "flags": 4,
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_no_markdown_of_a_visitor_is_left_for_discord(text: str) -> None:
    said = body("discord", Notification("id-1", "A title", text))["content"].removeprefix("**A title**\n")
    for mark in "*_~`|#[]()<@:":
        assert said.count(mark) == said.count(f"\\{mark}") == text.count(mark)
    titled = body("discord", Notification("id-1", "1 * 2 @everyone", "M"))["content"]
    assert titled.startswith("**1 \\* 2 \\@everyone**\n")


def test_teams_is_given_a_card_with_a_run_of_plain_text_for_each_line() -> None:
    heading = {"type": "TextRun", "text": "A title", "weight": "Bolder"}
    runs = [{"type": "TextRun", "text": text} for text in ("Line 1", " ", "Line 3", " ", "Name: Ada")]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "RichTextBlock", "inlines": [heading]},
            *({"type": "RichTextBlock", "spacing": "None", "inlines": [run]} for run in runs),
        ],
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    assert body("teams", with_message("Line 1\n\nLine 3")) == {
        "type": "message",
        "attachments": [{"contentType": content_type, "contentUrl": None, "content": card}],
    }


@pytest.mark.parametrize("kind", ["standard", "slack", "discord", "teams"])
@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_stays_a_value_and_any_body_is_json(kind: str, text: str) -> None:
    shape = body(kind, with_message("x"))
    made = body(kind, replace(IT, title=text, message=text, reply_to=text))
    assert set(made) == set(shape)


# Templates


def test_a_template_of_herald_toml_has_at_least_one_key() -> None:
    assert webhook_request.checked_template({"a": "{message}"}) == {"a": "{message}"}
    with pytest.raises(WebhookMistake, match=r"^expected at least one key$"):
        webhook_request.checked_template({})


def fill(template: object, notification: Notification = IT, longest: int = 0) -> object:
    webhook_request.check_template(template)
    return webhook_request.filled(template, notification, "own", NOW, longest)


def test_placeholders_are_filled_in_values_at_any_depth_and_the_rest_is_left_alone() -> None:
    template = {
        "text": "{title}: {message} {site}|",
        "n": 1,
        "yes": True,
        "list": ["{fields.name}", {"to": "{reply_to}", "at": "{time}", "half": 0.5}],
        "ids": "{id} {webhook_id}",
        "braces": "{{title}} {{ }}",
        "missing": "[{fields.phone number}]",
    }
    assert fill(template) == {
        "text": "A title: Line 1\nLine 2\n\nName: Ada |",
        "n": 1,
        "yes": True,
        "list": ["Ada", {"to": "ada@example.com", "at": "2026-01-01T00:00:00Z", "half": 0.5}],
        "ids": f"id-1 {webhook_request.webhook_id('id-1', 'own')}",
        "braces": "{title} { }",
        "missing": "[]",
    }
    made = webhook_request.filled("{site} {message}", replace(IT, site="shop", message="m" * 9999), "own", NOW)
    assert str(made).startswith("shop " + "m" * 9999)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_visitor_breaks_out_of_its_place_or_is_read_again(text: str) -> None:
    made = fill({"a": "{message}", "b": "{fields.name}"}, Notification("i", "t", text, fields=(("name", text),)))
    assert isinstance(made, dict)
    assert set(made) == {"a", "b"}
    assert made["b"] == text
    assert text.replace("\ud800", "").replace("\x00\x1b", "") in made["a"]


def test_the_message_of_a_template_is_cut_on_request() -> None:
    assert fill({"a": "{message}"}, with_message("x" * 500), longest=100) == {
        "a": "x" * 73 + f"{CUT_MARK}\n\nName: Ada\n\n{CUT_MARK} Cut to fit."
    }


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"a": "{nam}"}, "{nam} is no placeholder; there are {id}, {webhook_id}, {title}"),
        ({"a": "{"}, "{ stands alone; write {{ for the character itself"),
        ({"a": "x}"}, "} stands alone; write }}"),
        ({"a": "{Title}"}, "stands alone"),
        ({"a": "{fields.}"}, "stands alone"),
        ({"a": ["{x}"]}, "{x} is no placeholder"),
        ({"{title}": "a"}, "a placeholder stands in a key; only"),
        ({"a{": "a"}, "stands in a key"),
        ({"a": {"b}": 1}}, "stands in a key"),
        ({"a": float("nan")}, "what JSON has"),
        ({"a": float("inf")}, "what JSON has"),
        ({"a": None}, "what JSON has"),
        ({"a": object()}, "what JSON has"),
    ],
)
def test_a_template_that_would_not_work_is_told_what_is_wrong(template: object, words: str) -> None:
    with pytest.raises(WebhookMistake) as caught:
        webhook_request.check_template(template)
    assert words in str(caught.value)

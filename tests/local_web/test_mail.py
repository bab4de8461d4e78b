"""The stand-in for SES: it takes what the operation takes, and fails on command."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

SEND = "/v2/email/outbound-emails"
CONTROL = "/ses/_control"
MAIL = {
    "FromEmailAddress": "Herald <herald@example.com>",
    "Destination": {"ToAddresses": ["owner@example.org"]},
    "ReplyToAddresses": ["ada@example.net"],
    "Content": {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Word"}, "Html": {"Data": "<p>"}}}},
}


def taken(client: httpx.Client) -> Any:
    return client.get("/ses/messages.json").json()


def command(client: httpx.Client, *faults: dict[str, object]) -> None:
    client.put(CONTROL, json={"faults": list(faults)}).raise_for_status()


def test_a_mail_is_taken_and_shown(client: httpx.Client) -> None:
    answer = client.post(SEND, json=MAIL)
    assert answer.status_code == 200
    (mail,) = taken(client)
    assert mail.pop("id") == answer.json()["MessageId"]
    assert mail.pop("received_at") > 0
    assert mail == {
        "from": "Herald <herald@example.com>",
        "to": ["owner@example.org"],
        "reply_to": ["ada@example.net"],
        "subject": "Hello",
        "text": "Word",
        "html": "<p>",
        "attachments": [],
        "headers": {},
    }
    assert client.get(CONTROL).json() == {"requests": 1, "accepted": 1, "faulted": {}, "pending": []}


@pytest.mark.parametrize("part", ["Text", "Html"])
def test_a_line_that_smtp_does_not_carry_is_refused(client: httpx.Client, part: str) -> None:
    for size, status in ((499, 200), (500, 400)):
        parts = {"Text": {"Data": "a"}, "Html": {"Data": "a"}, part: {"Data": f"a\n{'я' * size}\n"}}
        content = {"Simple": {"Subject": {"Data": "Hello"}, "Body": parts}}
        assert client.post(SEND, json=MAIL | {"Content": content}).status_code == status


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Content": 1}'])
def test_what_is_no_mail_is_refused_and_not_kept(client: httpx.Client, body: bytes) -> None:
    answer = client.post(SEND, content=body)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "BadRequestException")
    assert taken(client) == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Unknown": "x"}, "BadRequestException"),
        ({"ReplyToAddresses": "ada@example.net"}, "BadRequestException"),
        ({"Destination": {"ToAddresses": [f"owner{number}@example.org" for number in range(51)]}}, "MessageRejected"),
    ],
)
def test_what_ses_would_refuse_is_refused_here_too(client: httpx.Client, more: dict[str, object], code: str) -> None:
    answer = client.post(SEND, json=MAIL | more)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, code)
    assert taken(client) == []


def test_an_error_on_command_has_the_code_of_the_operation(client: httpx.Client) -> None:
    codes = {400: "MessageRejected", 429: "TooManyRequestsException", 500: "InternalFailure", 503: "ServiceUnavailable"}
    command(client, *({"do": "status", "status": status} for status in codes))
    answers = [client.post(SEND, json=MAIL) for _ in codes]
    assert {answer.status_code: answer.headers["x-amzn-errortype"] for answer in answers} == codes
    assert taken(client) == []
    assert client.get(CONTROL).json()["faulted"] == {f"status_{status}": 1 for status in codes}


def test_only_the_answer_is_lost_where_the_mail_is_accepted_first(client: httpx.Client) -> None:
    command(client, {"do": "garbage", "accept": True}, {"do": "status", "status": 500, "accept": True})
    assert b"not JSON" in client.post(SEND, json=MAIL).content
    assert client.post(SEND, json=MAIL).status_code == 500
    assert len(taken(client)) == 2
    assert client.get(CONTROL).json()["faulted"] == {"garbage_accepted": 1, "status_500_accepted": 1}

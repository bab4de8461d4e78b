"""The stand-in for SES: it takes what the operation takes, and fails on command."""

from __future__ import annotations

from collections.abc import Iterator
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


@pytest.fixture
def ses(shared: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shared, timeout=60, trust_env=False) as client:
        client.delete(CONTROL).raise_for_status()
        yield client


def taken(ses: httpx.Client) -> Any:
    return ses.get("/ses/messages.json").json()


def command(ses: httpx.Client, *faults: dict[str, object]) -> None:
    ses.put(CONTROL, json={"faults": list(faults)}).raise_for_status()


def test_a_mail_is_taken_and_shown(ses: httpx.Client) -> None:
    answer = ses.post(SEND, json=MAIL)
    assert answer.status_code == 200
    (mail,) = taken(ses)
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
    assert ses.get(CONTROL).json() == {"requests": 1, "accepted": 1, "faulted": {}, "pending": []}


@pytest.mark.parametrize("part", ["Text", "Html"])
def test_a_line_that_smtp_does_not_carry_is_refused(ses: httpx.Client, part: str) -> None:
    for size, status in ((499, 200), (500, 400)):
        parts = {"Text": {"Data": "a"}, "Html": {"Data": "a"}, part: {"Data": f"a\n{'я' * size}\n"}}
        content = {"Simple": {"Subject": {"Data": "Hello"}, "Body": parts}}
        assert ses.post(SEND, json=MAIL | {"Content": content}).status_code == status


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Content": 1}'])
def test_what_is_no_mail_is_refused_and_not_kept(ses: httpx.Client, body: bytes) -> None:
    answer = ses.post(SEND, content=body)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "BadRequestException")
    assert taken(ses) == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Unknown": "x"}, "BadRequestException"),
        ({"ReplyToAddresses": "ada@example.net"}, "BadRequestException"),
        ({"Destination": {"ToAddresses": [f"owner{number}@example.org" for number in range(51)]}}, "MessageRejected"),
    ],
)
def test_what_ses_would_refuse_is_refused_here_too(ses: httpx.Client, more: dict[str, object], code: str) -> None:
    answer = ses.post(SEND, json=MAIL | more)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, code)
    assert taken(ses) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "MessageRejected"),
        (429, "TooManyRequestsException"),
        (500, "InternalFailure"),
        (503, "ServiceUnavailable"),
    ],
)
def test_an_error_on_command_has_the_code_of_the_operation(ses: httpx.Client, status: int, code: str) -> None:
    command(ses, {"do": "status", "status": status})
    answer = ses.post(SEND, json=MAIL)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (status, code)
    assert taken(ses) == []
    assert ses.get(CONTROL).json()["faulted"] == {f"status_{status}": 1}


def test_only_the_answer_is_lost_where_the_mail_is_accepted_first(ses: httpx.Client) -> None:
    command(ses, {"do": "garbage", "accept": True}, {"do": "status", "status": 500, "accept": True})
    assert b"not JSON" in ses.post(SEND, json=MAIL).content
    assert ses.post(SEND, json=MAIL).status_code == 500
    assert len(taken(ses)) == 2
    assert ses.get(CONTROL).json()["faulted"] == {"garbage_accepted": 1, "status_500_accepted": 1}

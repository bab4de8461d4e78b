"""What a visitor writes is in the table and in the notification, and in no log group at all, whatever fails.

One thing is named: the origin of a page that may not send, in the one line that says so.
Every part of a submission holds a marker of its own: fields and the names of fields, headers, addresses, a file's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from tests.e2e.harness import PATIENCE, Harness, marker, wait_for

pytestmark = pytest.mark.full

SITE = "ringing"
"""Rings by Pushover, e-mail and a webhook."""
NOTIFIERS = {"notify_pushover": "ReadSecrets", "notify_webhook": "ReadSecrets", "notify_email": "SendMail"}
"""Each with a statement without which it delivers nothing."""
STAND_INS = ("pushover", "ses", "webhooks")


class Marked:
    """A submission with a marker in every part."""

    def __init__(self) -> None:
        self.fields = {
            "name": marker(),
            "email": f"{marker()}@{marker()}.example",
            "message": f"{marker()} https://{marker()}.example/",
            "source": marker(),
            "phone": marker(),
            marker(): marker(),
        }
        self.settings = {"_next": f"https://{marker()}.example/", "_cc": f"{marker()}@example.com", "_gotcha": ""}
        self.headers = {
            "User-Agent": marker(),
            "Referer": f"https://www.example.com/{marker()}",
            "Cookie": f"a={marker()}",
            "X-Forwarded-For": marker(),
            "Accept-Language": marker(),
            "Idempotency-Key": marker(),
            "X-Own": marker(),
        }

    @property
    def shown(self) -> list[str]:
        """What the owner must see: fields, and the names of those that Herald doesn't know."""
        return [*self.fields.values(), list(self.fields)[-1]]

    def words(self) -> set[str]:
        everything = [*self.fields, *self.fields.values(), *self.settings.values(), *self.headers.values()]
        return {word for text in everything for word in _markers(text)}


def _markers(text: str) -> list[str]:
    return [text[at : at + 19] for at in range(len(text)) if text.startswith("marker-", at)]


class Writer:
    """A visitor who writes again and again, and remembers every marker."""

    def __init__(self, herald: Harness) -> None:
        self._herald = herald
        self.words: set[str] = set()
        self.ids: list[str] = []
        self.refused = ""
        """The origin of a page that may not send."""
        self.told = 0
        """In how many lines the logs name it."""

    def send(self, site: str = SITE, status: int = 202) -> Marked:
        marked = Marked()
        self.words |= marked.words()
        answer = self.post({**marked.fields, **marked.settings}, f"/contact/{site}", **marked.headers)
        assert answer.status_code == status, answer.text
        if status == 202:
            self.ids.append(answer.json()["id"])
        return marked

    def post(self, body: Any, path: str, **headers: str) -> requests.Response:
        self.words.update(_markers(json.dumps([body, path, headers], default=str)))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        return requests.post(self._herald.urls["api"] + path, data=data, headers=headers, timeout=PATIENCE)

    def send_from_elsewhere(self) -> int:
        """From a page that the site does not let in; the answer's status."""
        marked, self.refused = Marked(), f"https://{marker()}.com"
        body = {**marked.fields, **marked.settings}
        return self.post(body, f"/contact/{SITE}", **marked.headers, Origin=self.refused).status_code

    def is_in_no_log(self) -> None:
        """Look into every log group of the account, which the messages' ids prove to be read."""
        pages = self._herald.account.logs.get_paginator("describe_log_groups").paginate()
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        assert groups
        written = {
            group: "\n".join(map(self._without_refused_origin, self._herald.texts_of(group))) for group in groups
        }
        assert self.told == (1 if self.refused else 0), "the owner is told of a page that was refused"
        for message_id in self.ids:
            assert any(message_id in text for text in written.values()), "the logs say nothing of a message"
        for group, text in written.items():
            for word in self.words:
                assert word not in text, f"{group} holds what a visitor wrote"

    def _without_refused_origin(self, text: str) -> str:
        """A line of a log; the one that says which page was refused, without the page's origin."""
        if not self.refused or self.refused not in text:
            return text
        line = json.loads(text)
        assert (line["message"], line["code"], line["origin"]) == ("Refused", "forbidden_origin", self.refused)
        self.told += 1
        return text.replace(self.refused, "")


@pytest.fixture
def writer(herald: Harness) -> Writer:
    return Writer(herald)


def failed(herald: Harness, message_id: str) -> None:
    herald.line("on_failure", message_id=message_id)


def test_a_submission_is_in_the_table_and_in_every_notification_and_in_no_log(herald: Harness, writer: Writer) -> None:
    marked = writer.send()
    (message_id,) = writer.ids
    herald.line("on_success", message_id=message_id, action="delivered")
    word = marked.fields["name"]
    (push,), (mail,), (hook,) = herald.pushes(word), herald.mails(word), herald.hooks(word)
    stored = json.loads(herald.published(message_id))["fields"]
    assert stored == marked.fields
    for text in marked.shown:
        assert text in push["message"]
        assert text in mail["BodyText"]
        assert text in json.dumps(hook["body"])
    assert herald.ask("get_message", {"version": 1, "id": message_id})[0]["fields"] == marked.fields
    assert herald.ask("list_messages", {"version": 1, "site": SITE})[0]
    writer.is_in_no_log()


def test_what_is_refused_is_in_no_log(herald: Harness, writer: Writer) -> None:
    boundary = "x"
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{marker()}"; filename="{marker()}.txt"\r\n'
        f"Content-Type: text/{marker()}\r\n\r\n{marker()}\r\n--{boundary}--\r\n"
    ).encode()
    writer.words.update(_markers(file.decode()))
    multipart = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    broken = f'{{"message": "{marker()}'.encode()
    answers = {
        "a file": writer.post(file, f"/contact/{SITE}", **multipart).status_code,
        "no JSON": writer.post(broken, f"/contact/{SITE}").status_code,
        "broken multipart": writer.post(broken, f"/contact/{SITE}", **multipart).status_code,
        "no address": writer.post({"message": "x", "email": marker()}, f"/contact/{SITE}").status_code,
        "nested": writer.post({marker(): {marker(): marker()}}, f"/contact/{SITE}").status_code,
        "too much": writer.post({marker(): marker() * 5000}, f"/contact/{SITE}").status_code,
        "another type": writer.post(broken, f"/contact/{SITE}", **{"Content-Type": f"text/{marker()}"}).status_code,
        "another page": writer.send_from_elsewhere(),
        "no site": writer.post({"message": marker()}, f"/contact/{marker()[:15]}").status_code,
    }
    writer.words.update(_markers(broken.decode()))
    assert {what for what, status in answers.items() if not 400 <= status < 500} == set(), answers
    writer.is_in_no_log()


def test_whatever_fails_on_the_way_a_submission_is_in_no_log(herald: Harness, writer: Writer) -> None:
    """One step after the other fails, in the way that AWS or a provider makes it fail."""
    with herald.without_statement("api_handler", "PublishMessages"):
        writer.send(status=503)
    for sid in ("StoreMessages", "RecordOutcomes", "InvokeNotifiers"):
        with herald.without_statement("destined", sid):
            writer.send()
            failed(herald, writer.ids[-1])
    with ExitStack() as broken:
        for function, sid in NOTIFIERS.items():
            herald.restart(function)
            broken.enter_context(herald.without_statement(function, sid))
        writer.send()
        failed(herald, writer.ids[-1])
    faults: list[dict[str, Any]] = [
        {"do": "status", "status": 400},
        {"do": "status", "status": 429},
        {"do": "garbage"},
        {"do": "reset", "accept": True},
        {"do": "redirect"},
    ]
    with herald.mail_stand_in():
        for fault in faults:
            for stand_in in STAND_INS:
                herald.control(stand_in, fault)
            writer.send()
            wait_for(lambda: _tried(herald, writer.ids[-1]), "attempt by each channel")
        for stand_in in STAND_INS:
            herald.control(stand_in, {"do": "accept_then_stall", "seconds": 9})
        writer.send()
        wait_for(lambda: herald.counted("pushover")["accepted"], "acceptance")
        herald.kill("notify_pushover")
        wait_for(lambda: _tried(herald, writer.ids[-1]), "attempt by each channel")

    # After the fact: the scheduled retry, the alarm, the reports, and a topic that can't run the function.
    herald.let_time_pass(writer.ids[-1])
    herald.run_retry_due()
    with herald.without_statement("destined", "RecallMessages"):
        herald.account.functions.invoke(
            FunctionName=herald.stage.function("destined"), Payload=json.dumps(herald.retried(writer.ids[-1])).encode()
        )
    herald.forget("alarm#")
    with herald.without_statement("on_failure", "LookUpMessages"):
        # Also for what the scheduled retry queued before, which may come first.
        herald.control("pushover", {"do": "status", "status": 400, "times": 20})
        writer.send()
        failed(herald, writer.ids[-1])
        herald.control("pushover")
    with herald.without_statement("destined", "SendOutcome"):
        before = herald.metric("destined", "DestinationDeliveryFailures")
        writer.send()
        wait_for(lambda: herald.metric("destined", "DestinationDeliveryFailures") > before, "failed destination")
    for function, sid, asked in (("get_message", "ReadMessages", "id"), ("list_messages", "ListMessages", "site")):
        with herald.without_statement(function, sid):
            herald.ask(function, {"version": 1, asked: writer.ids[-1] if asked == "id" else SITE})
    unreadable(herald, writer, lambda word: word)
    unreadable(herald, writer, lambda word: json.dumps({"version": 9, word: word}))
    unreadable(herald, writer, lambda word: json.dumps({"version": 1, "id": "x", "site": SITE, "received_at": word}))
    writer.is_in_no_log()


def _tried(herald: Harness, message_id: str) -> bool:
    states = (herald.delivery(message_id, channel).get("state") for channel in herald.stage.sites[SITE].channels)
    return not {*states} & {None, "pending", "sending"}


def unreadable(herald: Harness, writer: Writer, text: Callable[[str], str]) -> None:
    """Publish what Herald would not, and wait for the end of it."""
    word = marker()
    writer.words.add(word)
    publication = herald.publish(text(word))
    herald.line("on_failure", message_id=publication, action="rejected")

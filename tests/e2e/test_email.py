"""A site whose messages come by e-mail: what the owner reads, and what becomes of a mail that SES doesn't take."""

from __future__ import annotations

import json
import time

import pytest

from chalicelib.functions import functions_of
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.test_least_privilege import send_mail_that_waits

HOSTILE = "\"quoted\" <script>alert(1)</script> & 'more'"
HEBREW = "שלום עולם"


def test_a_form_becomes_a_mail_that_an_answer_to_reaches_the_visitor(herald: Harness) -> None:
    word = marker()
    answer = herald.post_form(
        "/contact/mailed",
        source="/about",
        name="Ada Lovelace",
        email="ada@Bücher.example",
        phone="1\r\n2",
        message=f"{word}\r\n\r\nsecond line",
    )
    assert answer.status_code == 303
    mail = wait_for(lambda: herald.mails(word), "mail")[0]
    assert mail["Source"] == "Herald <herald@mail.example.com>"
    assert (mail["To"], mail["CC"], mail["BCC"]) == (["owner@example.org", "second@example.net"], [], [])
    assert mail["ReplyTo"] == ["ada@xn--bcher-kva.example"]
    assert mail["Subject"] == "[/about] Ada Lovelace"
    *lines, received, id_, last = mail["BodyText"].split("\n")
    assert received.startswith("Received: 20")
    assert lines == [
        word,
        "",
        "second line",
        "",
        "Name: Ada Lovelace",
        "Email: ada@Bücher.example",
        "Source: /about",
        "Site: mailed",
        "",
        "› phone: 1",
        "›   2",
        "",
    ]
    assert last == ""
    assert f"{word}<br\n><br\n>second line</div>" in mail["BodyHtml"]
    message_id = id_.removeprefix("Id: ")
    done = herald.line("on_success", message_id=message_id)
    assert (done["action"], done["attempts"]) == ("delivered", 1)
    delivery = herald.delivery(message_id, "email")
    assert (delivery["state"], delivery["reference"]) == ("delivered", mail["MessageId"])


def test_what_is_hostile_arrives_as_text_and_reaches_nobody_else(herald: Harness) -> None:
    word = marker()
    answer = herald.post_json(
        {
            "name": f"{HOSTILE} {HEBREW} 👩‍👩‍👧",
            "email": "ada@example.com",
            "_cc": "victim@example.com",
            "to": "victim@example.com",
            HOSTILE: "x\r\nBcc: victim@example.com",
            "message": f"{word} {HOSTILE} {HEBREW} 🚀",
        },
        "/contact/mailed",
    )
    assert answer.status_code == 202, answer.text
    mail = wait_for(lambda: herald.mails(word), "mail")[0]
    assert (mail["To"], mail["CC"], mail["BCC"]) == (["owner@example.org", "second@example.net"], [], [])
    assert mail["ReplyTo"] == ["ada@example.com"]
    assert "\n" not in mail["Subject"]
    assert f"{word} {HOSTILE} {HEBREW} 🚀\n" in mail["BodyText"]
    assert "\n›   Bcc: victim@example.com\n" in mail["BodyText"], "set apart, as a value"
    assert "<script" not in mail["BodyHtml"]
    assert "<a " not in mail["BodyHtml"]
    escaped = "&quot;quoted&quot; &lt;script&gt;alert(1)&lt;/script&gt; &amp; &#x27;more&#x27;"
    assert f"{word} {escaped} {HEBREW} 🚀</div>" in mail["BodyHtml"]
    assert not herald.pushes(word), "the site has no other channel"


def test_nothing_that_a_visitor_typed_is_in_any_log(herald: Harness) -> None:
    words = {name: marker() for name in ("name", "message", "source", "phone")}
    local = marker()
    answer = herald.post_json({**words, "email": f"{local}@example.com"}, "/contact/mailed")
    message_id = answer.json()["id"]
    herald.line("on_success", message_id=message_id)
    assert herald.line("notify_email", correlation_id=message_id)
    for spec in functions_of(herald.stage):
        said = "\n".join(herald.texts(spec.name))
        for word in (*words.values(), local, "owner@example.org"):
            assert word not in said, f"{spec.name} logged what a visitor typed"


@pytest.mark.full
def test_what_the_sandbox_refuses_waits_longer_than_lambdas_retries_take(herald: Harness) -> None:
    """SES calls it MessageRejected, as it does a message that it never takes: only its words tell them apart."""
    sesv2 = herald.account.client("sesv2")
    details = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://www.example.com"}
    before = int(time.time())
    sesv2.put_account_details(**details, ProductionAccessEnabled=False)
    try:
        message_id = send_mail_that_waits(herald)
    finally:
        sesv2.put_account_details(**details, ProductionAccessEnabled=True)
    assert int(herald.delivery(message_id, "email")["next_attempt_at"]) >= before + 600
    assert "not verified: MessageRejected" in "\n".join(herald.texts("notify_email"))


def test_a_mail_from_an_identity_that_is_gone_waits(herald: Harness) -> None:
    sesv2 = herald.account.client("sesv2")
    sesv2.delete_email_identity(EmailIdentity="example.com")
    try:
        send_mail_that_waits(herald)
    finally:
        sesv2.create_email_identity(EmailIdentity="example.com")


def test_any_program_may_send_a_mail_by_the_invoke_api_and_chooses_no_recipient(herald: Harness) -> None:
    word = marker()
    request = {"version": 1, "id": "backup-1", "channel": "email", "title": "Backup", "message": word}
    function = herald.stage.function("notify_email")

    def invoke(**more: object) -> dict[str, object]:
        answer = herald.account.functions.invoke(
            FunctionName=function, Payload=json.dumps({**request, **more}).encode()
        )
        found: dict[str, object] = json.load(answer["Payload"])
        return found

    assert invoke(options={"to": ["x@example.com"]})["errorType"] == "InvalidRequestError"
    assert invoke(to="x@example.com")["errorType"] == "InvalidRequestError"
    answer = invoke()
    (mail,) = herald.mails(word)
    assert answer == {"channel": "email", "status": "delivered", "reference": mail["MessageId"]}
    assert (mail["ReplyTo"], mail["To"]) == ([], ["owner@example.org", "second@example.net"])

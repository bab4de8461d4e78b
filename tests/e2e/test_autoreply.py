"""Answers to visitors, through the deployed stage, whose site ``answered`` sends them by the local SES."""

from __future__ import annotations

from tests.e2e.harness import Harness, marker, wait_for


def test_a_visitor_is_answered_once_in_their_language_by_a_machine(herald: Harness) -> None:
    word = marker()
    fields = {"email": f"{word}@visitor.site", "message": word, "_language": "en"}
    message_id: str = herald.post_json(fields, "/contact/answered").json()["id"]
    (mail,) = wait_for(lambda: herald.mails(message_id), "mail")
    assert (mail["Source"], mail["To"]) == ("Shop <shop@mail.example.com>", [f"{word}@visitor.site"])
    assert (mail["Subject"], mail["BodyText"]) == ("We got it", f"Your message {message_id} has arrived.")
    assert mail["Headers"]["Auto-Submitted"] == "auto-replied"
    assert herald.line("autoreply", message_id=message_id)["result"] == "sent"
    # Another message of the same address, and what is in quarantine.
    again: str = herald.post_json(fields | {"message": f"{word} again"}, "/contact/answered").json()["id"]
    trapped: str = herald.post_json(fields | {"_gotcha": "x"}, "/contact/answered").json()["id"]
    assert herald.line("autoreply", message_id=again)["result"] == "enough to this address"
    assert herald.line("on_success", message_id=trapped)["action"] == "quarantined"
    assert herald.mails(again) == herald.mails(trapped) == []
    assert not [line for line in herald.lines("autoreply") if line.get("message_id") == trapped]
    assert word not in "".join(herald.texts("autoreply"))

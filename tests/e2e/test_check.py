"""``check``: a notifier finds out whether it could deliver, as far as its provider tells, and rings nobody."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.harness import Harness
from tests.e2e.test_pushover import secret


def check(herald: Harness, kind: str, **more: object) -> tuple[Any, str]:
    request = {"version": 1, "id": "check-1", "title": "Check", "message": "Check", "check": True}
    return herald.ask(f"notify_{kind}", request | more)


def test_pushover_knows_both_secrets_and_tells_the_quota_and_the_phone_is_silent(herald: Harness) -> None:
    herald.faults(quota=77)
    told, _ = check(herald, "pushover", channel="urgent")
    assert told["checked"] is True
    assert (told["channel"], told["quota"]["limit"], told["quota"]["remaining"]) == ("urgent", 77, 77)
    assert herald.provider_requests() == 0
    assert not herald.pushes("")


@pytest.mark.parametrize("name", ["token", "user"])
def test_a_secret_that_pushover_does_not_know_is_found(herald: Harness, name: str) -> None:
    with secret(herald, name, "x" * 30):
        told, error = check(herald, "pushover", channel="urgent")
        assert error == "ChannelUnavailableError"
        assert told["message"].startswith("Pushover would not deliver: ")
        assert f"{name} " in told["message"]
    assert check(herald, "pushover", channel="urgent")[1] == "", "what was refused is read anew"


def test_ses_knows_the_sender_and_tells_the_quota_and_sends_no_mail(herald: Harness) -> None:
    told, _ = check(herald, "email", channel="email")
    assert told["checked"] is True
    assert told["quota"]["limit"] >= told["quota"]["remaining"] > 0
    assert told["quota"]["reset"] is None
    assert not [mail for mail in herald.mails("Check") if mail["Subject"] == "Check"]


def test_a_sender_that_ses_does_not_know_is_found(herald: Harness) -> None:
    sesv2 = herald.account.client("sesv2")
    sesv2.delete_email_identity(EmailIdentity="example.com")
    try:
        told, error = check(herald, "email", channel="email")
    finally:
        sesv2.create_email_identity(EmailIdentity="example.com")
    assert (error, told["message"]) == ("ChannelUnavailableError", "SES could not be asked: NotFoundException")


def test_a_webhook_is_prepared_and_not_posted(herald: Harness) -> None:
    assert check(herald, "webhook", channel="own")[0] == {"channel": "own", "checked": True, "quota": None}
    assert herald.hook_requests() == 0
    assert check(herald, "webhook", channel="own", options={"priority": 1})[1] == "InvalidRequestError"

"""Who may send a mail, and what is remembered of it: sent_mail.py of ops/local/aws.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_sesv2.html
https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import signed
from tests.local_stack.local_aws import LocalAws, allow

SENDS = """
import boto3
def handler(event, context):
    return boto3.client("sesv2").send_email(**event)["MessageId"]
"""
IDENTITIES = "arn:aws:ses:us-east-1:000000000000:identity/"
SETS = "arn:aws:ses:us-east-1:000000000000:configuration-set/"


def mail(**more: Any) -> dict[str, Any]:
    part = {"Data": "x", "Charset": "UTF-8"}
    return {
        "FromEmailAddress": "Herald <herald@mail.sends.example>",
        "Destination": {"ToAddresses": ["owner@reads.example"]},
        "Content": {"Simple": {"Subject": part, "Body": {"Text": part}}},
        **more,
    }


EXACT = {
    "StringEquals": {"ses:FromAddress": ["herald@mail.sends.example"]},
    "ForAllValues:StringEquals": {"ses:Recipients": ["owner@reads.example", "other@reads.example"]},
}


def may_send(*resources: str) -> dict[str, Any]:
    return allow("ses:SendEmail", list(resources), Condition=EXACT)


@pytest.fixture(autouse=True)
def identities(aws: LocalAws) -> Iterator[None]:
    sesv2 = aws.client("sesv2")
    for name in ("sends.example", "reads.example"):
        sesv2.create_email_identity(EmailIdentity=name)
    yield
    for name in ("sends.example", "reads.example"):
        sesv2.delete_email_identity(EmailIdentity=name)


def sent(aws: LocalAws, statement: dict[str, Any], request: dict[str, Any]) -> str:
    """The id of the mail, or of what was refused the resource."""
    payload, error = aws.invoke(aws.function(SENDS, statement), request)
    if error:
        assert "ses:SendEmail" in payload["errorMessage"], payload
        return str(payload["errorMessage"]).rpartition("resource")[2]
    return str(payload)


@pytest.mark.parametrize(
    ("sets", "more"), [([], {}), ([SETS + "own"], {"ConfigurationSetName": "own"})], ids=["", "a configuration set"]
)
def test_a_policy_of_exactly_this_identity_sender_and_recipient_is_enough(
    aws: LocalAws, sets: list[str], more: dict[str, Any]
) -> None:
    assert "@email.amazonses.com" in sent(aws, may_send(IDENTITIES + "sends.example", *sets), mail(**more))


OTHER_RECIPIENT = {"ToAddresses": ["owner@reads.example"], "BccAddresses": ["x@elsewhere.example"]}


@pytest.mark.parametrize(
    ("identity", "more", "refused"),
    [
        ("reads.example", {}, "identity/sends.example"),
        ("sends.example", {"FromEmailAddress": "root@sends.example"}, "identity/sends.example"),
        ("sends.example", {"Destination": OTHER_RECIPIENT}, "identity/sends.example"),
        ("sends.example", {"ConfigurationSetName": "own"}, "configuration-set/own"),
    ],
)
def test_another_identity_sender_recipient_or_configuration_set_is_refused(
    aws: LocalAws, identity: str, more: dict[str, Any], refused: str
) -> None:
    assert refused in sent(aws, may_send(IDENTITIES + identity), mail(**more))


def test_in_the_sandbox_the_recipients_identity_is_asked_for_too(aws: LocalAws) -> None:
    sesv2 = aws.client("sesv2")
    details = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://www.example.com"}
    sesv2.put_account_details(**details, ProductionAccessEnabled=False)
    try:
        assert "identity/reads.example" in sent(aws, may_send(IDENTITIES + "sends.example"), mail())
        both = may_send(IDENTITIES + "sends.example", IDENTITIES + "reads.example")
        assert "@email.amazonses.com" in sent(aws, both, mail())
    finally:
        sesv2.put_account_details(**details, ProductionAccessEnabled=True)


def test_an_identitys_default_configuration_set_is_asked_for_too(aws: LocalAws) -> None:
    sesv2 = aws.client("sesv2")
    sesv2.create_email_identity(EmailIdentity="mail.sends.example", ConfigurationSetName="bounces")
    try:
        assert "configuration-set/bounces" in sent(aws, may_send(IDENTITIES + "mail.sends.example"), mail())
        assert "@email.amazonses.com" in sent(aws, may_send(IDENTITIES + "mail.sends.example", SETS + "*"), mail())
    finally:
        sesv2.delete_email_identity(EmailIdentity="mail.sends.example")


def test_a_mail_to_a_suppressed_address_is_accepted_and_not_sent(aws: LocalAws) -> None:
    sesv2 = aws.client("sesv2")
    owner = {"EmailAddress": "owner@reads.example"}
    sesv2.put_suppressed_destination(**owner, Reason="BOUNCE")
    found = sesv2.get_suppressed_destination(**owner)["SuppressedDestination"]
    assert (found["EmailAddress"], found["Reason"]) == ("owner@reads.example", "BOUNCE")
    silent = sesv2.send_email(**mail())["MessageId"]
    sesv2.put_account_suppression_attributes(SuppressedReasons=["COMPLAINT"])
    assert sesv2.get_account()["SuppressionAttributes"] == {"SuppressedReasons": ["COMPLAINT"]}
    for_another_reason = sesv2.send_email(**mail())["MessageId"]
    sesv2.put_account_suppression_attributes(SuppressedReasons=["BOUNCE", "COMPLAINT"])
    others = sesv2.send_email(**mail(Destination=OTHER_RECIPIENT))["MessageId"]
    sesv2.delete_suppressed_destination(**owner)
    with pytest.raises(sesv2.exceptions.NotFoundException):
        sesv2.get_suppressed_destination(**owner)
    loud = sesv2.send_email(**mail())["MessageId"]
    listed = [
        each["MessageId"] for each in signed.get(aws.endpoint, "/_ministack/ses/messages")["messages"]["000000000000"]
    ]
    assert [each in listed for each in (silent, for_another_reason, others, loud)] == [False, True, True, True]


def test_the_list_of_mails_says_where_an_answer_goes(aws: LocalAws) -> None:
    sesv2 = aws.client("sesv2")
    with_one = sesv2.send_email(**mail(ReplyToAddresses=["ada@example.com"]))["MessageId"]
    without = sesv2.send_email(**mail())["MessageId"]
    messages = signed.get(aws.endpoint, "/_ministack/ses/messages")["messages"]["000000000000"]
    listed = {each["MessageId"]: each for each in messages}
    assert listed[with_one]["ReplyTo"] == ["ada@example.com"]
    assert listed[without]["ReplyTo"] == []
    assert listed[without]["To"] == ["owner@reads.example"], "and the rest stands as it did"

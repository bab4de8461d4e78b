"""Who may send a mail, and what is remembered of it: sent_mail.py of ops/local/aws.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_sesv2.html
https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import signed
from tests.local_stack.local_aws import LocalAws

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


def allow(*resources: str, **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": list(resources)}
    return statement | ({"Condition": condition} if condition else {})


EXACT = {
    "StringEquals": {"ses:FromAddress": ["herald@mail.sends.example"]},
    "ForAllValues:StringEquals": {"ses:Recipients": ["owner@reads.example", "other@reads.example"]},
}


@pytest.fixture
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


@pytest.mark.usefixtures("identities")
def test_a_policy_of_exactly_this_identity_sender_and_recipient_is_enough(aws: LocalAws) -> None:
    assert "@email.amazonses.com" in sent(aws, allow(IDENTITIES + "sends.example", **EXACT), mail())


@pytest.mark.usefixtures("identities")
@pytest.mark.parametrize(
    ("statement", "request_", "refused"),
    [
        (allow(IDENTITIES + "reads.example", **EXACT), mail(), "identity/sends.example"),
        (
            allow(IDENTITIES + "sends.example", **EXACT),
            mail(FromEmailAddress="root@sends.example"),
            "identity/sends.example",
        ),
        (
            allow(IDENTITIES + "sends.example", **EXACT),
            mail(Destination={"ToAddresses": ["owner@reads.example"], "BccAddresses": ["x@elsewhere.example"]}),
            "identity/sends.example",
        ),
        (allow(IDENTITIES + "sends.example", **EXACT), mail(ConfigurationSetName="own"), "configuration-set/own"),
    ],
)
def test_another_identity_sender_recipient_or_configuration_set_is_refused(
    aws: LocalAws, statement: dict[str, Any], request_: dict[str, Any], refused: str
) -> None:
    assert refused in sent(aws, statement, request_)


@pytest.mark.usefixtures("identities")
def test_a_configuration_set_that_the_policy_names_is_allowed(aws: LocalAws) -> None:
    statement = allow(IDENTITIES + "sends.example", SETS + "own", **EXACT)
    assert "@email.amazonses.com" in sent(aws, statement, mail(ConfigurationSetName="own"))


@pytest.mark.usefixtures("identities")
def test_in_the_sandbox_the_recipients_identity_is_asked_for_too(aws: LocalAws) -> None:
    sesv2 = aws.client("sesv2")
    details = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://www.example.com"}
    sesv2.put_account_details(**details, ProductionAccessEnabled=False)
    try:
        assert "identity/reads.example" in sent(aws, allow(IDENTITIES + "sends.example", **EXACT), mail())
        both = allow(IDENTITIES + "sends.example", IDENTITIES + "reads.example", **EXACT)
        assert "@email.amazonses.com" in sent(aws, both, mail())
    finally:
        sesv2.put_account_details(**details, ProductionAccessEnabled=True)


@pytest.mark.usefixtures("identities")
def test_the_list_of_mails_says_where_an_answer_goes(aws: LocalAws) -> None:
    sesv2 = aws.client("sesv2")
    with_one = sesv2.send_email(**mail(ReplyToAddresses=["ada@example.com"]))["MessageId"]
    without = sesv2.send_email(**mail())["MessageId"]
    messages = signed.get(aws.endpoint, "/_ministack/ses/messages")["messages"]["000000000000"]
    listed = {each["MessageId"]: each for each in messages}
    assert listed[with_one]["ReplyTo"] == ["ada@example.com"]
    assert listed[without]["ReplyTo"] == []
    assert listed[without]["To"] == ["owner@reads.example"], "and the rest stands as it did"

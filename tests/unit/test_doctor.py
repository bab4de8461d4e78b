"""What ``doctor`` says of messages that nobody delivers any more, and of what SES knows."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.stub import Stubber

from chalicelib.adapters.dynamodb_items import to_item
from chalicelib.logic.delivery_types import State
from chalicelib.settings import Autoreply, Captcha, Spam
from ops.aws.account import Account
from ops.config.loader import StageConfig
from ops.naming import AwsLocation
from ops.operations import doctor
from ops.operations.doctor import Examined, Finding
from tests.fakes import NOW, mail_channel, mailing_stage, site, stage

Stubbed = Callable[[str], tuple[Any, Stubber]]


def examined(its_stage: Any, **clients: Any) -> Examined:
    account = SimpleNamespace(
        dynamodb=clients.get("dynamodb"),
        ssm=clients.get("ssm"),
        functions=None,
        client=lambda name: clients[name],
        where=AwsLocation("aws", "eu-central-1", "123456789012"),
    )
    return Examined(cast("StageConfig", SimpleNamespace(stage=its_stage)), cast("Account", account))


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(str(finding.level), finding.what) for finding in findings]


def item(message_id: str, site: str, **states: State) -> dict[str, Any]:
    times = dict.fromkeys(("received_at", "stored_at", "expires_at", "due_at"), NOW)
    nothing = {"claimed_by": "", "claimed_until": 0, "next_attempt_at": 0, "error": "", "reference": ""}
    deliveries = {name: {"state": str(state), "attempts": 1, "since": NOW, **nothing} for name, state in states.items()}
    return to_item({"id": message_id, "site": site, "deliveries": deliveries, **times})


def test_messages_of_a_renamed_channel_and_of_a_removed_site_are_named_and_what_to_do(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    ids = ("id-1", "id-2", "id-3", "id-4")
    stub.add_response("query", {"Items": [{"id": {"S": one}} for one in ids]})
    items = [
        item("id-1", "default", pushover=State.WAITING),
        item("id-2", "default", old=State.WAITING, pushover=State.DELIVERED),
        item("id-3", "shop", pushover=State.PENDING),
        item("id-4", "default", old=State.REJECTED, pushover=State.WAITING),
    ]
    for answer in (items, []):
        stub.add_response("batch_get_item", {"Responses": {stage().table: answer}, "UnprocessedKeys": {}})
    found = list(doctor._stranded(examined(stage(), dynamodb=dynamodb)))
    assert said(found) == [
        ("warning", "1 messages wait for the channel old, such as id-2: not in [sites.default] any more"),
        ("warning", "1 messages wait for the channel pushover, such as id-3: [sites.shop] has left herald.toml"),
    ]
    assert all("./herald messages show" in finding.mend for finding in found)


def test_nothing_stranded_is_well(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_response("query", {"Items": []})
    (found,) = doctor._stranded(examined(stage(), dynamodb=dynamodb))
    assert found.level == "well"


HEALTHY = {
    "ProductionAccessEnabled": True,
    "SendingEnabled": True,
    "EnforcementStatus": "HEALTHY",
    "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE"]},
}
SIGNED = {"VerifiedForSendingStatus": True, "DkimAttributes": {"Status": "SUCCESS", "SigningEnabled": True}}


@pytest.mark.parametrize(
    ("account", "identity", "words"),
    [
        (HEALTHY, SIGNED, []),
        (HEALTHY | {"ProductionAccessEnabled": False}, SIGNED, ["in its sandbox"]),
        (HEALTHY | {"SendingEnabled": False}, SIGNED, ["send nothing"]),
        (HEALTHY | {"EnforcementStatus": "PROBATION"}, SIGNED, ["under PROBATION"]),
        (HEALTHY, SIGNED | {"VerifiedForSendingStatus": False}, ["example.com is not verified"]),
        (HEALTHY, None, ["example.com does not exist in this region"]),
        (HEALTHY, SIGNED | {"DkimAttributes": {"Status": "PENDING"}}, ["by DKIM (PENDING)"]),
        (HEALTHY, SIGNED | {"DkimAttributes": {"Status": "SUCCESS", "SigningEnabled": False}}, ["by DKIM"]),
        (
            HEALTHY,
            SIGNED | {"MailFromAttributes": {"MailFromDomain": "m.example.com", "MailFromDomainStatus": "FAILED"}},
            ["m.example.com of example.com is FAILED"],
        ),
    ],
)
def test_what_ses_can_tell_is_told(
    stubbed: Stubbed, account: dict[str, Any], identity: dict[str, Any] | None, words: list[str]
) -> None:
    sesv2, stub = stubbed("sesv2")
    stub.add_response("get_account", account)
    if identity is None:
        stub.add_client_error("get_email_identity", "NotFoundException", http_status_code=404)
    else:
        if "MailFromAttributes" in identity:
            own = {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"} | identity["MailFromAttributes"]
            identity = identity | {"MailFromAttributes": own}
        stub.add_response("get_email_identity", identity, {"EmailIdentity": "example.com"})
    stub.add_client_error("get_suppressed_destination", "NotFoundException", http_status_code=404)
    found = [one for one in doctor._mail(examined(mailing_stage(), sesv2=sesv2)) if one.level != "well"]
    assert len(found) == len(words)
    for finding, word in zip(found, words, strict=True):
        assert word in finding.what
        assert finding.mend


@pytest.mark.parametrize(("why", "level"), [("BOUNCE", "wrong"), ("COMPLAINT", None)])
def test_a_recipient_to_whom_ses_sends_nothing_is_named_once(stubbed: Stubbed, why: str, level: str | None) -> None:
    sesv2, stub = stubbed("sesv2")
    stub.add_response("get_account", HEALTHY)
    stub.add_response("get_email_identity", SIGNED, {"EmailIdentity": "example.com"})
    asked = {"EmailAddress": "o'hara@example.org"}
    entry = {**asked, "Reason": why, "LastUpdateTime": 0}
    stub.add_response("get_suppressed_destination", {"SuppressedDestination": entry}, asked)
    channels = [mail_channel(name, to=("o'hara@example.org",)) for name in ("a", "b")]
    _, *more = doctor._mail(examined(mailing_stage(*channels), sesv2=sesv2))
    if level is None:
        assert more == []
        return
    (found,) = more
    said = "SES sends nothing to o'hara@example.org: it is on the account's suppression list, for a bounce"
    assert (found.level, found.what) == (level, said)
    assert shlex.split(found.mend)[3:] == ["--region", "eu-central-1", "--email-address", "o'hara@example.org"]


@pytest.mark.parametrize(
    ("parameters", "level", "what"),
    [
        ([], "wrong", "the secret /herald/dev/captcha/default is not set: its site's captcha counts nothing"),
        (["/herald/dev/captcha/default"], "well", "the secrets of captchas are set"),
    ],
)
def test_a_captchas_secret_is_looked_for_and_its_service_not_asked(
    stubbed: Stubbed, parameters: list[str], level: str, what: str
) -> None:
    captcha = Captcha("turnstile", "https://captcha.example/verify", ("www.example.com",))
    spam = Spam(points={"captcha": 10}, captcha=captcha)
    of = stage(channels=())._replace(sites={"default": site(spam=spam)._replace(channels=())})
    ssm, stub = stubbed("ssm")
    found = [{"Name": name, "Type": "SecureString"} for name in parameters]
    stub.add_response("get_parameters", {"Parameters": found})
    assert said(list(doctor._channels(examined(of, ssm=ssm)))) == [(level, what)]


def test_in_the_sandbox_the_doctor_says_that_no_visitor_is_answered(stubbed: Stubbed) -> None:
    answers = Autoreply("hello@example.com", "hello@example.com", "", ("example.com",), "", 1, 1, {"en": ("a", "b")})
    of = stage()._replace(sites={"default": site()._replace(autoreply=answers)})
    sesv2, stub = stubbed("sesv2")
    stub.add_response("get_account", HEALTHY | {"ProductionAccessEnabled": False})
    stub.add_response("get_email_identity", SIGNED, {"EmailIdentity": "example.com"})
    found = [(one.level, one.what) for one in doctor._mail(examined(of, sesv2=sesv2))]
    assert [level for level, _ in found] == ["warning", "wrong", "well"]
    assert "no visitor is answered" in found[1][1]


def test_a_stage_without_a_mail_channel_asks_ses_nothing() -> None:
    assert list(doctor._mail(examined(stage()))) == []

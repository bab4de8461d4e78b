"""``check``: each notifier finds out whether it could deliver, and rings nobody.

https://pushover.net/api#validate, https://pushover.net/api#limits;
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html and API_GetAccount.html
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from chalicelib.adapters.aws import ServiceError
from chalicelib.adapters.provider_http import WAIT_FOR_OWNER
from chalicelib.adapters.providers import email as email_provider
from chalicelib.adapters.providers import kind_of
from chalicelib.adapters.providers.email import SesNotifier
from chalicelib.adapters.providers.pushover import CHECK_TIMEOUT, PushoverNotifier
from chalicelib.composition import override_container
from chalicelib.errors import ChannelUnavailableError, InvalidRequestError, SecretsError
from chalicelib.handlers import notify
from chalicelib.logic.notification import Notification, Quota
from tests.contracts import fits
from tests.fakes import NOW, FakeContainer, RecordingNotifier, channel, mail_channel, stage
from tests.functional.conftest import Provider
from tests.functional.notifiers import TOKEN, USER, Parameters, hook

ASKED = Notification("id-1", "Check", "Check", NOW, check=True)
VALID = {"status": 1, "group": 0, "devices": ["phone"], "licenses": ["iOS"], "request": "req-1"}
LIMITS = {"limit": 10_000, "remaining": 7_496, "reset": NOW + 60, "status": 1, "request": "req-2"}


def told(error: ChannelUnavailableError) -> tuple[str, int | None]:
    return error.message, error.retry_after


# The function


@pytest.mark.parametrize(
    ("quota", "answered"), [(Quota(10, 7, NOW), {"limit": 10, "remaining": 7, "reset": NOW}), (None, None)]
)
def test_a_check_is_answered_by_the_contract_and_delivers_nothing(quota: Quota | None, answered: object) -> None:
    notifier = RecordingNotifier(quota=quota)
    with override_container(FakeContainer(stage(), providers={"pushover": notifier})):
        answer = notify.handle("pushover", ASKED.as_request(), None)
    assert answer == {"channel": "pushover", "checked": True, "quota": answered}
    fits("notify", "answer", answer)
    assert (notifier.delivered, notifier.checked) == ([], [ASKED])


# Pushover


class Pushover:
    """A notifier whose Pushover answers as told."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self.saw: list[Quota] = []
        self.secrets = Parameters({"token": TOKEN, "user": USER})
        self.notifier = PushoverNotifier(
            session, self.secrets, channel()._replace(url=url), clock=lambda: float(NOW), on_quota=self.saw.append
        )

    def fails(self, notification: Notification = ASKED) -> ChannelUnavailableError:
        with pytest.raises(ChannelUnavailableError) as caught:
            self.notifier.check(notification)
        for secret in (TOKEN, USER):
            assert secret not in str(caught.value)
        assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, SecretsError)
        return caught.value


@pytest.fixture
def pushover(session: requests.Session, provider: Provider) -> Pushover:
    return Pushover(session, provider.url)


class WatchedSession(requests.Session):
    """Remembers how long each answer is waited for, and whether a redirect would be followed."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[tuple[object, object]] = []

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        self.waits.append((more["timeout"], more["allow_redirects"]))
        return super().send(request, **more)


def test_pushover_is_asked_for_both_secrets_and_the_quota_sent_no_message_and_waited_for_a_bounded_time(
    provider: Provider,
) -> None:
    watched, saw = WatchedSession(), list[Quota]()
    tools = SimpleNamespace(
        channel=channel()._replace(url=provider.url),
        session=lambda: watched,
        secrets=lambda: Parameters({"token": TOKEN, "user": USER}),
        report_quota=saw.append,
    )
    provider.answers(VALID, LIMITS)
    notifier: Any = kind_of("pushover").make_notifier(tools)  # type: ignore[misc]
    assert notifier.check(ASKED) == Quota(10_000, 7_496, NOW + 60)
    assert saw == [Quota(10_000, 7_496, NOW + 60)]
    assert provider.paths == ["/1/users/validate.json", f"/1/apps/limits.json?token={TOKEN}"]
    assert provider.forms[0] == {"token": [TOKEN], "user": [USER]}
    assert watched.waits == [(CHECK_TIMEOUT, False)] * 2


@pytest.mark.parametrize("wrong", ["token", "user"])
def test_a_secret_that_pushover_refuses_is_read_anew_next_time(
    pushover: Pushover, provider: Provider, wrong: str
) -> None:
    provider.answers({wrong: "invalid", "errors": [f"{wrong} is invalid"], "status": 0, "request": "r"}, status=400)
    assert told(pushover.fails()) == (f"Pushover would not deliver: {wrong} is invalid", WAIT_FOR_OWNER)
    assert pushover.secrets.forgotten == 1


def test_a_refusal_is_told_in_bounded_words_and_without_any_by_its_status(
    pushover: Pushover, provider: Provider
) -> None:
    provider.answers({"errors": ["x" * 201] * 4}, {}, status=403)
    assert pushover.fails().message == f"Pushover would not deliver: {'; '.join(['x' * 200] * 3)}"
    assert pushover.fails().message == "Pushover would not deliver: status 403"


@pytest.mark.parametrize("status", [200, 302, 429, 500, 502, 504])
def test_any_other_answer_is_no_check(pushover: Pushover, provider: Provider, status: int) -> None:
    provider.answers({"status": 0}, status=status)
    assert pushover.fails().message == f"Pushover could not check the secrets: status {status}"
    assert pushover.secrets.forgotten == 0


def test_a_quota_that_is_used_up_fails_until_its_reset(pushover: Pushover, provider: Provider) -> None:
    provider.answers(VALID, {**LIMITS, "remaining": 0})
    assert told(pushover.fails()) == ("over Pushover's quota", 60)


@pytest.mark.parametrize("limits", [{}, {**LIMITS, "limit": "many"}, {"status": 0}])
def test_a_quota_that_pushover_does_not_tell_is_none(
    pushover: Pushover, provider: Provider, limits: dict[str, Any]
) -> None:
    provider.answers(VALID, limits)
    assert pushover.notifier.check(ASKED) is None
    assert pushover.saw == []


def test_a_pushover_that_is_not_there_delivers_nothing(session: requests.Session) -> None:
    assert Pushover(session, "http://127.0.0.1:9").fails().message == "Pushover could not be asked"


def test_a_secret_that_is_missing_and_an_option_that_cant_be_fail_as_a_message_would(
    pushover: Pushover, provider: Provider
) -> None:
    pushover.secrets.error = SecretsError("not set in Parameter Store: /herald/dev/pushover/token")
    assert "not set" in pushover.fails().message
    with pytest.raises(InvalidRequestError, match=r"options\.priority"):
        pushover.notifier.check(Notification("id-1", "T", "M", options={"priority": 9}, check=True))
    assert provider.paths == []


def test_no_library_logs_the_address_with_the_token(root: Path) -> None:
    """In a process of its own: whoever else is loaded here may have seen to it."""
    load = "import logging, chalicelib.adapters.providers.pushover as _"
    look = f"{load}; print(logging.getLogger('urllib3').isEnabledFor(10))"
    verbose = f"import logging; logging.basicConfig(level=10); {look}"
    ran = subprocess.run([sys.executable, "-c", verbose], cwd=root, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "False\n", ran.stderr


# SES


ACCOUNT = {"SendingEnabled": True, "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE"]}}


class Ses:
    """A notifier whose SES answers as told."""

    def __init__(self, stubbed: Callable[[str], tuple[Any, Stubber]], **options: Any) -> None:
        self.sesv2, self.stub = stubbed("sesv2")
        self.notifier = SesNotifier(self.sesv2, mail_channel(**options))

    def knows(self, identity: str = "example.com", *, verified: bool = True) -> None:
        self.stub.add_response(
            "get_email_identity", {"VerifiedForSendingStatus": verified}, {"EmailIdentity": identity}
        )

    def lets(self, quota: Mapping[str, float] | None = None, *, enabled: bool = True) -> None:
        """The account send, by its quota, and to the recipient."""
        self.stub.add_response("get_account", {**ACCOUNT, "SendingEnabled": enabled, "SendQuota": quota or {}}, {})
        self.does_not_list("owner@example.org")

    def does_not_list(self, address: str) -> None:
        asked = {"EmailAddress": address}
        self.stub.add_client_error("get_suppressed_destination", "NotFoundException", expected_params=asked)

    def fails(self) -> ChannelUnavailableError:
        with pytest.raises(ChannelUnavailableError) as caught:
            self.notifier.check(ASKED)
        assert "example" not in str(caught.value), "an address of the owner's"
        self.stub.assert_no_pending_responses()
        return caught.value


@pytest.fixture
def ses(stubbed: Callable[[str], tuple[Any, Stubber]]) -> Ses:
    return Ses(stubbed)


@pytest.mark.parametrize(
    ("identities", "asked"),
    [
        (("example.com", "herald@mail.example.com", "mail.example.com"), "herald@mail.example.com"),
        (("example.com", "mail.example.com", "owner@example.org"), "mail.example.com"),
        (("ail.example.com", "example.com"), "example.com"),
    ],
)
def test_the_identity_is_the_one_that_ses_takes(
    stubbed: Callable[[str], tuple[Any, Stubber]], identities: tuple[str, ...], asked: str
) -> None:
    ses = Ses(stubbed, from_address="herald@mail.example.com", identities=identities)
    ses.knows(asked)
    ses.lets()
    ses.notifier.check(ASKED)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ({"Max24HourSend": 200.0, "SentLast24Hours": 13.0}, Quota(200, 187)),
        ({"Max24HourSend": -1.0, "SentLast24Hours": 13.0}, None),
        ({"Max24HourSend": 200.0}, Quota(200, 200)),
        ({"Max24HourSend": 1.0, "SentLast24Hours": 0.0}, Quota(1, 1)),
        ({"Max24HourSend": 0.0}, None),
        ({"SentLast24Hours": 13.0}, None),
        ({}, None),
    ],
)
def test_ses_is_asked_for_the_senders_identity_and_what_it_tells_of_the_accounts_quota(
    ses: Ses, quota: dict[str, float], expected: Quota | None
) -> None:
    ses.knows()
    ses.lets(quota)
    assert ses.notifier.check(ASKED) == expected
    ses.stub.assert_no_pending_responses()


def test_an_identity_that_is_not_verified_an_account_that_may_not_send_and_a_full_day_fail(ses: Ses) -> None:
    ses.knows(verified=False)
    ses.lets()
    assert told(ses.fails()) == ("SES knows the sender as not verified", email_provider.SES_WAIT_FOR_OWNER)
    ses.knows()
    ses.lets(enabled=False)
    assert told(ses.fails()) == ("SES lets this account send nothing", email_provider.SES_WAIT_FOR_OWNER)
    ses.knows()
    ses.lets({"Max24HourSend": 200.0, "SentLast24Hours": 200.0})
    assert told(ses.fails()) == ("the day's quota of SES is used up", email_provider.BUSY)


class Suppressing:
    """An SES with a suppression list, which is busy after some questions about it."""

    def __init__(self, *suppressed: str, answers: int = 50) -> None:
        self.asked: list[str] = []
        self._suppressed, self._answers = suppressed, answers

    def get_email_identity(self, *, EmailIdentity: str) -> Any:
        return {"VerifiedForSendingStatus": True}

    def get_account(self) -> Any:
        return ACCOUNT

    def get_suppressed_destination(self, *, EmailAddress: str) -> Any:
        self.asked.append(EmailAddress)
        if len(self.asked) > self._answers:
            raise ServiceError("TooManyRequestsException", 429)
        if EmailAddress not in self._suppressed:
            raise ServiceError("NotFoundException", 404)
        return {"SuppressedDestination": {"Reason": "BOUNCE"}}


TO = tuple(f"{name}@example.org" for name in "abc")


@pytest.mark.parametrize("number", range(5))
def test_a_recipient_to_whom_ses_sends_nothing_fails(number: int) -> None:
    client: Any = Suppressing("b@example.org")
    with pytest.raises(ChannelUnavailableError) as caught:
        SesNotifier(client, mail_channel(to=TO)).check(replace(ASKED, id=f"{number}"))
    said = "SES sends nothing to an address of `to`, as it is on the account's suppression list"
    assert told(caught.value) == (said, email_provider.SES_WAIT_FOR_OWNER)


@pytest.mark.parametrize("reasons", [["COMPLAINT"], []])
def test_ses_sends_to_who_is_on_the_list_for_a_reason_that_the_account_does_not_have(reasons: list[str]) -> None:
    client: Any = Suppressing(*TO)
    client.get_account = lambda: ACCOUNT | {"SuppressionAttributes": {"SuppressedReasons": reasons}}
    SesNotifier(client, mail_channel(to=TO)).check(ASKED)
    assert len(client.asked) == len(TO if reasons else ())


def test_where_ses_is_busy_each_check_asks_for_another_recipient_first() -> None:
    first = set()
    for number in range(20):
        client: Any = Suppressing(answers=1)
        SesNotifier(client, mail_channel(to=TO)).check(replace(ASKED, id=f"{number}"))
        assert len(client.asked) == 2, "it asks no more once SES is busy"
        first.add(client.asked[0])
    assert first == set(TO)


def test_whether_ses_sends_to_a_recipient_must_be_told(ses: Ses) -> None:
    ses.knows()
    ses.stub.add_response("get_account", ACCOUNT, {})
    ses.stub.add_client_error("get_suppressed_destination", "AccessDeniedException")
    assert ses.fails().message == "SES could not be asked: AccessDeniedException"


@pytest.mark.parametrize("code", ["NotFoundException", "AccessDeniedException", "TooManyRequestsException"])
def test_what_ses_refuses_to_tell_is_told_by_its_code(ses: Ses, code: str) -> None:
    ses.stub.add_client_error("get_email_identity", code, "example.com is MARKER", 400)
    assert ses.fails().message == f"SES could not be asked: {code}"


def test_an_answer_that_was_lost_is_no_uncertain_delivery(aws: Callable[[str], Any]) -> None:
    def lost(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://email")

    sesv2 = aws("sesv2")
    sesv2.meta.events.register("before-send.sesv2.GetEmailIdentity", lost)
    with pytest.raises(ChannelUnavailableError):
        SesNotifier(sesv2, mail_channel()).check(ASKED)


# Webhooks


def test_a_check_prepares_a_webhook_and_only_a_message_is_posted(session: requests.Session, provider: Provider) -> None:
    secrets = Parameters({"url": provider.url, "secret": "whsec_" + "QUJD" * 8})
    tools = SimpleNamespace(channel=hook(), session=lambda: session, secrets=lambda: secrets, local=True)
    notifier: Any = kind_of("webhook").make_notifier(tools)  # type: ignore[misc]
    assert notifier.check(ASKED) is None
    assert provider.paths == []
    notifier.notify(ASKED)
    assert provider.paths == ["/"]
    tools.local = False
    for name, value in (("url", provider.url), ("secret", "short")):
        secrets.values |= {"url": "https://www.example.com/hook", name: value}
        with pytest.raises(ChannelUnavailableError, match=f"own/{name}") as caught:
            kind_of("webhook").make_notifier(tools).check(ASKED)  # type: ignore[misc]
        assert caught.value.retry_after == WAIT_FOR_OWNER
        assert value not in str(caught.value)

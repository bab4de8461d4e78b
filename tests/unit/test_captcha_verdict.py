"""What a captcha's token says: every row is an answer that the service's documentation has.

Turnstile: https://developers.cloudflare.com/turnstile/get-started/server-side-validation/ · hCaptcha:
https://docs.hcaptcha.com/#siteverify-error-codes-table · reCAPTCHA: https://developers.google.com/recaptcha/docs/verify
and, for scores, https://developers.google.com/recaptcha/docs/v3#site_verify_response
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import CaptchaError
from chalicelib.logic.captcha_verdict import CAPTCHA_SERVICES, LATE_SECONDS, MAX_TOKEN, check, judge, token_of
from chalicelib.logic.spam import HoldReason, Signal, person_rank, screen
from chalicelib.logic.submission import classify_fields
from chalicelib.settings import Captcha, Spam
from tests.fakes import NOW, InMemoryRecent, message, site

HOST = "www.example.com"
WRONG, SPENT, UNCHECKED = Signal.WRONG_CAPTCHA, Signal.SPENT_CAPTCHA, Signal.UNCHECKED_CAPTCHA


def captcha(kind: str, score: float = 0) -> Captcha:
    return Captcha(kind, CAPTCHA_SERVICES[kind].url, (HOST, "example.com"), score)


def refused(*codes: str) -> dict[str, object]:
    return {"success": False, "error-codes": list(codes)}


def passed(**more: object) -> dict[str, object]:
    return {"success": True, "challenge_ts": "2026-01-01T00:00:00Z", "hostname": HOST, "error-codes": [], **more}


OF_EVERY_SERVICE: list[tuple[dict[str, Any], Signal | None]] = [
    (passed(), None),
    (passed(hostname="evil.example"), Signal.FOREIGN_CAPTCHA),
    (refused("missing-input-secret"), UNCHECKED),
    (refused("invalid-input-secret"), UNCHECKED),
    (refused("missing-input-response"), WRONG),
    (refused("invalid-input-response"), WRONG),
    (refused("bad-request"), UNCHECKED),
    # A wrong secret may make every token wrong.
    (refused("invalid-input-response", "invalid-input-secret"), UNCHECKED),
    # What no documentation has.
    (refused(), WRONG),
    ({"success": False}, WRONG),
    (refused("a-new-code"), UNCHECKED),
    ({}, UNCHECKED),
    ({"success": "true", "hostname": HOST}, UNCHECKED),
]
ROWS: list[tuple[str, dict[str, Any], Signal | None]] = [
    *((kind, answer, expected) for kind in CAPTCHA_SERVICES for answer, expected in OF_EVERY_SERVICE),
    # Turnstile.
    ("turnstile", passed(action="login", cdata="sessionid-123456789"), None),
    ("turnstile", refused("timeout-or-duplicate"), SPENT),
    ("turnstile", refused("internal-error"), UNCHECKED),
    # hCaptcha: its host name is a statistic, and may be left out under load.
    ("hcaptcha", passed(credit=True), None),
    ("hcaptcha", passed(hostname="not-provided"), None),
    ("hcaptcha", refused("expired-input-response"), SPENT),
    ("hcaptcha", refused("already-seen-response"), SPENT),
    ("hcaptcha", refused("invalid-or-already-seen-response"), SPENT),
    ("hcaptcha", refused("missing-remoteip"), UNCHECKED),
    ("hcaptcha", refused("invalid-remoteip"), UNCHECKED),
    ("hcaptcha", refused("not-using-dummy-passcode"), WRONG),
    ("hcaptcha", refused("sitekey-secret-mismatch"), WRONG),
    # reCAPTCHA 2 and 3.
    ("recaptcha", refused("timeout-or-duplicate"), SPENT),
    ("recaptcha", refused("timeout-or-duplicate", "invalid-input-response"), WRONG),
    ("recaptcha", passed(score=0.1, action="submit"), None),
    ("recaptcha", passed(hostname=None), Signal.FOREIGN_CAPTCHA),
    ("recaptcha", passed(hostname="not-provided"), Signal.FOREIGN_CAPTCHA),
]


@pytest.mark.parametrize(("kind", "answer", "expected"), ROWS)
def test_a_documented_answer_is_this_sign(kind: str, answer: dict[str, Any], expected: Signal | None) -> None:
    signal, reason = judge(captcha(kind), answer)
    assert signal == expected
    assert bool(reason) is (expected is UNCHECKED)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"success": "yes"}, "the answer is not the documented one"),
        (refused("a" * 41, "b", "c", "d"), f"the service says {'a' * 40}, b, c"),
    ],
)
def test_an_answer_that_verifies_nothing_is_told_in_short(answer: dict[str, Any], why: str) -> None:
    assert judge(captcha("turnstile"), answer) == (UNCHECKED, why)


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.0, Signal.LOW_CAPTCHA), (0.4, Signal.LOW_CAPTCHA), (0.5, None), (1, None), (None, UNCHECKED)],
)
def test_a_score_below_the_sites_is_a_sign_and_without_one_nothing_is_known(
    score: float | None, expected: Signal | None
) -> None:
    answer = passed() if score is None else passed(score=score)
    why = "no score in the answer: the key is not one of reCAPTCHA v3" if score is None else ""
    assert judge(captcha("recaptcha", 0.5), answer) == (expected, why)


@pytest.mark.parametrize(
    ("kind", "sent", "token"),
    [
        ("turnstile", {"cf-turnstile-response": "T", "g-recaptcha-response": "G"}, "T"),
        # Turnstile and hCaptcha fill in reCAPTCHA's field too, for pages that were written for it.
        ("hcaptcha", {"g-recaptcha-response": "H", "h-captcha-response": "H"}, "H"),
        ("recaptcha", {"G-Recaptcha-Response": " G "}, "G"),
        ("recaptcha", {"recaptcha_response": "v3"}, "v3"),
        ("recaptcha", {"g-recaptcha-response": "", "recaptcha_response": "v3"}, "v3"),
        ("turnstile", {"g-recaptcha-response": "G"}, ""),
        ("turnstile", {"cf-turnstile-response": "x" * 20_000}, "x" * (MAX_TOKEN + 1)),
    ],
)
def test_the_token_is_that_of_the_sites_captcha_and_none_is_a_part_of_the_message(
    kind: str, sent: dict[str, str], token: str
) -> None:
    form = classify_fields([("message", "Hi"), *sent.items()])
    assert form.fields == {"message": "Hi"}
    assert token_of(captcha(kind), form.captchas) == token


class Asked:
    """A service that gives one answer, and remembers what it was asked."""

    def __init__(self, answer: Mapping[str, object] | CaptchaError | None = None) -> None:
        self.answer = passed() if answer is None else answer
        self.fields: list[Mapping[str, str]] = []
        self.kinds: list[str] = []

    def __call__(self, captcha: Captcha, fields: Mapping[str, str]) -> Mapping[str, object]:
        self.kinds.append(captcha.kind)
        self.fields.append(fields)
        if isinstance(self.answer, CaptchaError):
            raise self.answer
        return self.answer


def asked(
    service: Asked,
    recent: InMemoryRecent | None = None,
    *,
    token: str = "token",  # noqa: S107 - not a secret
    message_id: str = "id-1",
    run: str = "run-1",
    now: int = NOW,
    kind: str = "recaptcha",
) -> Signal | None:
    it = replace(message(message_id), captcha=token)
    return check(it, captcha(kind), recent or InMemoryRecent(), service, run, now)[0]


@pytest.mark.parametrize(
    ("token", "expected"),
    [("", Signal.NO_CAPTCHA), ("x" * (MAX_TOKEN + 1), WRONG), ("with space", WRONG), ("größe", WRONG), ("a\n", WRONG)],
)
def test_what_is_no_token_is_a_sign_and_nobody_is_asked(token: str, expected: Signal) -> None:
    service = Asked()
    assert asked(service, token=token) is expected
    assert service.fields == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("turnstile", {"response": "token", "idempotency_key": "id-1"}),
        ("hcaptcha", {"response": "token"}),
        ("recaptcha", {"response": "token"}),
    ],
)
def test_a_service_is_told_the_token_and_never_who_the_visitor_is(kind: str, fields: dict[str, str]) -> None:
    service = Asked()
    asked(service, kind=kind)
    assert (service.kinds, service.fields) == ([kind], [fields])


@pytest.mark.parametrize(
    ("token", "seconds", "answer", "reason"),
    [
        ("", 0, None, ""),
        ("with space", 0, None, ""),
        ("token", 0, CaptchaError("down"), "down"),
        ("token", LATE_SECONDS + 1, refused("timeout-or-duplicate"), "asked too late, or for the second time"),
    ],
)
def test_a_reason_is_given_for_what_could_not_be_verified_alone(
    token: str, seconds: int, answer: Mapping[str, object] | CaptchaError | None, reason: str
) -> None:
    it = replace(message("id-1"), captcha=token)
    assert check(it, captcha("recaptcha"), InMemoryRecent(), Asked(answer), "run-1", NOW + seconds)[1] == reason


def test_an_unreachable_service_is_a_sign_of_its_own_that_counts_nothing() -> None:
    signal = asked(Asked(CaptchaError("down")))
    assert signal is UNCHECKED
    rules = Spam(points={"captcha": 1000, "honeypot": 1}, quarantine_from=1)
    verdict = screen(message(), site(spam=rules), InMemoryRecent(), [signal])
    assert (verdict.signals, verdict.score, verdict.hold_reason) == (("captcha_unchecked",), 0, None)


def test_an_unreachable_service_makes_nobody_look_like_a_robot() -> None:
    assert person_rank([UNCHECKED], ["origin", "fill_time"]) == 2
    assert person_rank([WRONG], ["origin", "fill_time"]) == 0


def test_a_token_that_another_message_used_is_spent_as_its_service_says() -> None:
    recent = InMemoryRecent()
    assert asked(Asked(), recent) is None
    assert asked(Asked(refused("timeout-or-duplicate")), recent, message_id="id-2", run="run-2") is SPENT


def test_a_services_test_token_may_be_used_by_any_number_of_messages() -> None:
    """They never use it up: https://developers.cloudflare.com/turnstile/troubleshooting/testing/"""
    recent = InMemoryRecent()
    found = [asked(Asked(), recent, message_id=f"id-{number}", run=f"run-{number}") for number in range(3)]
    assert found == [None] * 3


def test_a_run_that_died_after_asking_is_not_held_against_the_visitor() -> None:
    """The token was used up by the first run, so the second one hears "duplicate"."""
    recent = InMemoryRecent()
    asked(Asked(), recent)
    assert asked(Asked(refused("timeout-or-duplicate")), recent, run="run-2") is UNCHECKED


def test_a_retry_of_a_forged_token_stays_forged() -> None:
    recent = InMemoryRecent()
    forged = Asked(refused("invalid-input-response"))
    assert [asked(forged, recent, run=f"run-{number}") for number in range(3)] == [WRONG] * 3


@pytest.mark.parametrize(("seconds", "expected"), [(LATE_SECONDS, SPENT), (LATE_SECONDS + 1, UNCHECKED)])
def test_a_token_that_expired_in_our_own_queue_is_not_held_against_the_visitor(seconds: int, expected: Signal) -> None:
    assert asked(Asked(refused("timeout-or-duplicate")), now=NOW + seconds) is expected


@pytest.mark.parametrize("signal", [Signal.NO_CAPTCHA, WRONG, SPENT, Signal.FOREIGN_CAPTCHA, Signal.LOW_CAPTCHA])
def test_each_sign_counts_the_captchas_points(signal: Signal) -> None:
    verdict = screen(message(), site(spam=Spam(points={"captcha": 10})), InMemoryRecent(), [signal])
    assert (verdict.score, verdict.hold_reason) == (10, HoldReason.QUARANTINED)

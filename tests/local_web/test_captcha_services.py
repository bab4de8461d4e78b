"""The stand-in for captcha services answers as documented, and Herald's client of them takes any answer."""

from __future__ import annotations

import httpx
import pytest

from chalicelib.adapters.captcha_service import CaptchaService
from chalicelib.errors import CaptchaError, SecretsError
from chalicelib.logic.captcha_verdict import judge
from chalicelib.settings import Captcha
from ops.local.web.captcha_services import LOCAL_CAPTCHA_SECRET

PASSES, FAILS, SPENT = (f"{first}x0000000000000000000000000000000AA" for first in "123")
DOES_NOT_ANSWER = ("refuse", "reset", "garbage", "redirect")
DUMMY = "XXXX.DUMMY.TOKEN.XXXX"
HCAPTCHA = "0x0000000000000000000000000000000000000000"
RECAPTCHA = "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe"
pytestmark = pytest.mark.usefixtures("client")


class Secret:
    """One secret, or none."""

    def __init__(self, value: str = "") -> None:
        self.value = value
        self.forgotten = 0

    def read(self) -> dict[str, str]:
        if not self.value:
            raise SecretsError("not set in Parameter Store: /herald/dev/captcha/default")
        return {"default": self.value}

    def forget(self) -> None:
        self.forgotten += 1


def at(address: str, kind: str) -> Captcha:
    return Captcha(kind, f"{address}/captcha/{kind}", ("localhost", "127.0.0.1"))


@pytest.mark.parametrize(
    ("kind", "secret", "token", "hostname", "codes"),
    [
        ("turnstile", PASSES, DUMMY, "localhost", []),
        ("turnstile", PASSES, "0.a-real-token", None, ["invalid-input-response"]),
        ("turnstile", FAILS, DUMMY, None, ["invalid-input-response"]),
        ("turnstile", SPENT, DUMMY, None, ["timeout-or-duplicate"]),
        ("turnstile", "nonsense", DUMMY, None, ["invalid-input-secret"]),
        ("hcaptcha", HCAPTCHA, "10000000-aaaa-bbbb-cccc-000000000001", "dummy-key-pass", []),
        ("hcaptcha", HCAPTCHA, "P1_a-real-token", None, ["not-using-dummy-passcode"]),
        ("recaptcha", RECAPTCHA, "any", "testkey.google.com", []),
        ("recaptcha", "nonsense", "any", None, ["invalid-input-secret"]),
    ],
)
def test_a_documented_test_key_gets_its_documented_answer(
    shared: str, kind: str, secret: str, token: str, hostname: str | None, codes: list[str]
) -> None:
    answer = CaptchaService(Secret(secret), "default")(at(shared, kind), {"response": token})
    assert (answer["success"], answer.get("hostname"), answer["error-codes"]) == (not codes, hostname, codes)


def test_a_token_counts_once_except_for_whoever_asks_again_with_the_same_id(shared: str) -> None:
    service = CaptchaService(Secret(LOCAL_CAPTCHA_SECRET), "default")
    asked = {"response": "once-1", "idempotency_key": "11111111-1111-4111-8111-111111111111"}
    other = asked | {"idempotency_key": "22222222-2222-4222-8222-222222222222"}
    turnstile, recaptcha = at(shared, "turnstile"), at(shared, "recaptcha")
    said = [service(turnstile, fields)["success"] for fields in (asked, asked, other)]
    assert said == [True, True, False]
    assert [service(recaptcha, asked)["success"] for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    "fault",
    [{"do": "status", "status": 503}, {"do": "status", "status": 429}, *({"do": each} for each in DOES_NOT_ANSWER)],
    ids=str,
)
def test_a_service_that_does_not_answer_is_an_error_that_quotes_nothing(
    shared: str, client: httpx.Client, fault: dict[str, object]
) -> None:
    client.put("/captcha/_control", json={"faults": [fault]}).raise_for_status()
    with pytest.raises(CaptchaError) as caught:
        CaptchaService(Secret(PASSES), "default")(at(shared, "turnstile"), {"response": "MARKER"})
    assert "MARKER" not in str(caught.value)
    assert PASSES not in str(caught.value)


def test_a_service_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CaptchaError, match="did not answer"):
        CaptchaService(Secret(PASSES), "default")(at("http://127.0.0.1:9", "turnstile"), {"response": DUMMY})


def test_without_its_secret_no_service_is_asked(shared: str, client: httpx.Client) -> None:
    with pytest.raises(CaptchaError, match="/herald/dev/captcha/default"):
        CaptchaService(Secret(), "default")(at(shared, "turnstile"), {"response": DUMMY})
    assert client.get("/captcha/_control").json()["requests"] == 0


@pytest.mark.parametrize(("value", "forgotten"), [("nonsense", 1), (PASSES, 0)])
def test_a_secret_that_the_service_refuses_is_read_again(shared: str, value: str, forgotten: int) -> None:
    secret = Secret(value)
    answer = CaptchaService(secret, "default")(at(shared, "turnstile"), {"response": DUMMY})
    assert (judge(at(shared, "turnstile"), answer)[0] is None) is not bool(forgotten)
    assert secret.forgotten == forgotten

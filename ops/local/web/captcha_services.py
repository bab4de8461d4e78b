"""A stand-in for the captcha services: ``POST /captcha/<kind>`` verifies tokens, ``/captcha/_control`` makes it fail.

It has each service's documented test keys:

- Turnstile: https://developers.cloudflare.com/turnstile/troubleshooting/testing/
- hCaptcha: https://docs.hcaptcha.com/#integration-testing-test-keys
- reCAPTCHA: https://developers.google.com/recaptcha/docs/faq#id-like-to-run-automated-tests-with-recaptcha.-what-should-i-do

Test keys never use a token up. With :data:`LOCAL_CAPTCHA_SECRET` a token that begins with ``once-`` is valid one time,
as with a key of one's own; one with ``score-0.3`` in it has that score.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.local.web.fault_plan import Fault, FaultInjector
from ops.local.web.faulty_endpoint import FaultyEndpoint, body_of, control, proxy_page

LOCAL_CAPTCHA_SECRET = "local-captcha-secret"  # noqa: S105 - opens nothing else


@dataclass(frozen=True, slots=True)
class Answers:
    """What a service answers."""

    passing: str
    """The test secret with which the test token passes."""
    token: str
    """The test token; empty where any passes."""
    hostname: str
    """The host name of a page that used test keys."""
    spent: str
    failing: Mapping[str, str]
    """The error codes by other test secrets."""
    other_token: str
    """The error code of another token with the test secret."""


STAND_INS = {
    "turnstile": Answers(
        passing="1x0000000000000000000000000000000AA",
        token="XXXX.DUMMY.TOKEN.XXXX",  # noqa: S106 - documented
        hostname="localhost",
        spent="timeout-or-duplicate",
        failing={
            "2x0000000000000000000000000000000AA": "invalid-input-response",
            "3x0000000000000000000000000000000AA": "timeout-or-duplicate",
        },
        other_token="invalid-input-response",  # noqa: S106 - an error code
    ),
    "hcaptcha": Answers(
        passing="0x0000000000000000000000000000000000000000",
        token="10000000-aaaa-bbbb-cccc-000000000001",  # noqa: S106 - documented
        hostname="dummy-key-pass",
        spent="already-seen-response",
        failing={},
        other_token="not-using-dummy-passcode",  # noqa: S106 - an error code
    ),
    "recaptcha": Answers(
        passing="6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe",
        token="",
        hostname="testkey.google.com",
        spent="timeout-or-duplicate",
        failing={},
        other_token="invalid-input-response",  # noqa: S106 - an error code
    ),
}


class CaptchaServices(FaultInjector):
    """All services together: the tokens that were used up, the counts and the planned faults."""

    def reset(self) -> None:
        """Remove all faults and counts, and make every token new."""
        super().reset()
        self._used: dict[tuple[str, str], str] = {}
        """The id with which each token was verified first, by service and token."""

    def verify(self, kind: str, sent: Mapping[str, str]) -> Response:
        """Answer as the service documents it."""
        service, secret, token = STAND_INS.get(kind), sent.get("secret", ""), sent.get("response", "")
        if service is None:
            return JSONResponse({"error": f"no such captcha; there are: {', '.join(STAND_INS)}"}, 404)
        if not secret:
            return _refused("missing-input-secret")
        if not token:
            return _refused("missing-input-response")
        if secret in service.failing:
            return _refused(service.failing[secret])
        if secret == service.passing:
            return _passed(service.hostname) if token == (service.token or token) else _refused(service.other_token)
        if secret != LOCAL_CAPTCHA_SECRET:
            return _refused("invalid-input-secret")
        if not token.startswith("once-"):
            return _refused("invalid-input-response")
        asked = sent.get("idempotency_key", "") if kind == "turnstile" else ""
        before = self._used.get((kind, token))
        if before is not None and not (asked and before == asked):
            return _refused(service.spent)
        self._used[kind, token] = asked
        score = re.search(r"score-([0-9.]+)", token)
        return _passed("127.0.0.1", **({"score": float(score[1]), "action": "send"} if score else {}))


def _passed(hostname: str, **more: object) -> Response:
    return JSONResponse(
        {"success": True, "challenge_ts": "2026-01-01T00:00:00Z", "hostname": hostname, "error-codes": [], **more}
    )


def _refused(code: str) -> Response:
    return JSONResponse({"success": False, "error-codes": [code]})


class _Endpoint(FaultyEndpoint):
    def __init__(self, services: CaptchaServices) -> None:
        super().__init__(services)
        self._services = services

    async def right_answer(self, request: Request) -> Response:
        sent = dict(parse_qsl((await body_of(request)).decode("utf-8", "replace")))
        return self._services.verify(str(request.path_params["kind"]), sent)

    def wrong_answer(self, fault: Fault) -> Response:
        if fault.do in ("garbage", "not_ok"):
            return Response(b"\x00<!-- not JSON", media_type="application/json")
        return proxy_page(fault.status or 503)


def routes(services: CaptchaServices) -> list[Route]:
    """Create the routes below ``/captcha``."""
    return [control(services), Route("/{kind}", _Endpoint(services), methods=["POST"])]

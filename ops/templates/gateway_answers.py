"""What API Gateway answers itself, before any code of ours runs: deploying sets it, and the API's document tells it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """One of the gateway's own answers, as a problem document."""

    code: str
    """AWS's name for it."""
    title: str
    status: int | None = None
    """None where the gateway keeps its own."""
    retry_after: int | None = None
    """Seconds after which to try again."""

    def body(self) -> dict[str, object]:
        """A problem document (RFC 9457) with ``errors``, as those of the form have it."""
        status = {"status": self.status} if self.status else {}
        errors = [{"code": self.code, "message": self.title}]
        return {"type": "about:blank", "title": self.title, **status, "errors": errors}


THROTTLED = GatewayAnswer("THROTTLED", "Too many requests; please try again.", 429, 1)
TOO_LARGE = GatewayAnswer("REQUEST_TOO_LARGE", "The form is too large.", 413)
NOTHING_HERE = GatewayAnswer("MISSING_AUTHENTICATION_TOKEN", "There is nothing at this address.", 404)
"""AWS's name for a path or method that there is not; unless set it says 403 "Missing Authentication Token"."""
UNREADABLE = GatewayAnswer("DEFAULT_4XX", "The request could not be read.")
FAILED = GatewayAnswer("DEFAULT_5XX", "Something went wrong on our side. Please send it again in a minute.", None, 30)

ANSWERS = (THROTTLED, TOO_LARGE, NOTHING_HERE, UNREADABLE, FAILED)

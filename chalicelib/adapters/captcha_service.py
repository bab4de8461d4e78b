"""Ask a captcha service about a token: one POST, by the standard library, which ``destined`` has loaded anyway."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlencode, urlsplit

from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import CaptchaError, SecretsError
from chalicelib.settings import Captcha

TIMEOUT = 3.0
"""Seconds for connecting, and for each wait for data. Nobody waits for it but the message."""
MAX_ANSWER = 64 * 1024


class CaptchaService:
    """Asks the service of one site's captcha, with that site's secret."""

    def __init__(self, secrets: Secrets, name: str) -> None:
        self._secrets = secrets
        self._name = name

    def __call__(self, captcha: Captcha, fields: Mapping[str, str]) -> Mapping[str, object]:
        """Return the JSON object of the answer; raises :class:`CaptchaError`.

        The visitor's address is never sent: docs/decisions/0071.
        """
        try:
            secret = self._secrets.read()[self._name]
        except SecretsError as error:
            raise CaptchaError(str(error)) from error
        answer = _post(captcha.url, urlencode({"secret": secret, **fields}))
        codes = answer.get("error-codes")
        if isinstance(codes, list) and "invalid-input-secret" in codes:
            # It may have been changed: the next message reads it again.
            self._secrets.forget()
        return answer


def _post(url: str, form: str) -> Mapping[str, object]:
    """No redirect is followed, no proxy used. It is not repeated, as a token counts once."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=_context())
        if address.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    )
    try:
        connection.request("POST", address.path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        body = response.read(MAX_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise CaptchaError(f"the service did not answer: {type(error).__name__}") from error
    finally:
        connection.close()
    if response.status == 429 or response.status >= 500:
        raise CaptchaError(f"the service answered {response.status}")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise CaptchaError("the service's answer is no JSON object")
    return answer


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()

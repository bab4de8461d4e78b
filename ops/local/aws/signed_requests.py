"""Verify Signature Version 4; MiniStack doesn't for the root user, nor for its own paths below ``/_ministack/``.

MiniStack also derives a function's credentials from its name, so anybody could compute them; here they are secret. Two
guards wrap MiniStack's application:

- :class:`~ops.loopback.guard.LoopbackGuard` rejects foreign ``Host`` headers and requests of web pages of other
  origins. Such pages may use only APIs, function URLs and buckets, under their own CORS rules (``open_to_pages``).
- :class:`SignedRequests` requires a valid signature in the header or the query string. That includes the root user,
  whose secret key is new at each start.

These need no signature: ``/_ministack/health``; APIs and function URLs, which require one if they are configured so; a
bucket's CORS preflights; and its upload forms, whose signature is a form field that MiniStack verifies. Other paths
below ``/_ministack/`` are for the root user only.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops.local.aws import iam_role
from ops.local.aws.ministack_modules import app, iam_evaluator, lambda_runtime, lambda_svc, responses, router, sigv4
from ops.loopback.guard import LoopbackGuard

EXTENDS = (
    "ministack.app:_credential_failure",
    "ministack.app:_parse_execute_api_url",
    "ministack.app:_parse_lambda_url",
    "ministack.app:_s3_cors_target",
    "ministack.app:_send_response",
    "ministack.app:app",
    "ministack.app:detect_service",
    "ministack.core.iam_evaluator:AmbiguousAccessKeyError",
    "ministack.core.iam_evaluator:AuthError",
    "ministack.core.iam_evaluator:CredentialResolutionError",
    "ministack.core.iam_evaluator:_signature_attempted",
    "ministack.core.iam_evaluator:find_iam_access_key_account",
    "ministack.core.iam_evaluator:resolve_credential",
    "ministack.core.lambda_runtime:execution_credentials",
    "ministack.core.responses:_account_from_sts_session",
    "ministack.core.router:extract_access_key_id",
    "ministack.core.sigv4:decode_header_value",
    "ministack.core.sigv4:header_signature_failure",
    "ministack.core.sigv4:parse_header_signature",
    "ministack.core.sigv4:parse_query_signature",
    "ministack.core.sigv4:presigned_request_is_expired",
    "ministack.core.sigv4:request_time_failure",
    "ministack.services.lambda_svc:execution_credentials",
)

HEALTH = "/_ministack/health"
_EMULATOR = "/_ministack/"
_ACCOUNT = "000000000000"
_ALGORITHM = "AWS4-HMAC-SHA256"


def install() -> None:
    """Give functions credentials that can't be guessed."""
    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = execution_credentials


def guarded(inner: ASGIApp) -> ASGIApp:
    """Return the application (MiniStack's) behind LoopbackGuard and SignedRequests."""
    return LoopbackGuard(SignedRequests(inner), open_to_pages, links=False)


def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
    """Return the credentials of a function's execution role as environment variables (``AWS_ACCESS_KEY_ID`` …)."""
    session = iam_role.assume(config["Role"], config["FunctionName"][:64])
    return {
        "AWS_ACCESS_KEY_ID": session.access_key,
        "AWS_SECRET_ACCESS_KEY": session.secret_key,
        "AWS_SESSION_TOKEN": session.token,
    }


class Asked:
    """A request, parsed as MiniStack parses it."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: str = (scope.get("raw_path") or quote(self.path).encode()).decode("latin-1")
        self.query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        self.headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), sigv4.decode_header_value(raw_value)
            # A repeated header is signed with its values joined by commas.
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value

    @property
    def of_an_application(self) -> bool:
        """Whether the request is for a path of an API or for a function URL."""
        host = self.headers.get("host", "")
        api = app._parse_execute_api_url(host, self.path)
        if api is not None:
            return not api[2].startswith("/@connections/")
        return app._parse_lambda_url(host, self.path) is not None

    @property
    def of_a_bucket(self) -> bool:
        """Whether the request is for a bucket or an object."""
        if self.service != "s3":
            return False
        return app._s3_cors_target(self.headers.get("host", ""), self.path) is not None

    @property
    def service(self) -> str:
        """The service that the request is for, such as ``s3``."""
        return str(app.detect_service(self.method, self.path, self.headers, self.query))

    @property
    def is_signed(self) -> bool:
        """Whether the request has any part of a signature, valid or not."""
        return bool(iam_evaluator._signature_attempted(self.headers.get("authorization", ""), self.query))

    @property
    def needs_no_signature(self) -> bool:
        """Whether SignedRequests lets the request pass without verifying a signature."""
        if self.path == HEALTH or self.of_an_application:
            return not self.is_signed
        if self.method not in ("OPTIONS", "POST") or not self.of_a_bucket:
            return False
        is_form = self.headers.get("content-type", "").startswith("multipart/form-data")
        # A CORS preflight has the query string of the announced request, whose signature is not for the preflight.
        return self.method == "OPTIONS" or (is_form and not self.query and "/" not in self.path.strip("/"))

    def failure(self, body: bytes) -> Any:
        """Return why the signature is invalid, as MiniStack's ``AuthError``, or None if it is valid."""
        error = iam_evaluator.AuthError
        presigned = "authorization" not in self.headers
        if presigned:
            if self.query.get("X-Amz-Algorithm") != [_ALGORITHM]:
                return error("MissingAuthenticationToken", "The request is not signed, or in a way that is not known.")
            signature = sigv4.parse_query_signature(self.query)
        else:
            if not self.headers["authorization"].startswith(f"{_ALGORITHM} "):
                return error("IncompleteSignature", f"The request is not signed with {_ALGORITHM}.")
            signature = sigv4.parse_header_signature(self.headers)
        if isinstance(signature, tuple):
            return error(*signature)
        # MiniStack parses the access key separately. Both must find the same one.
        if router.extract_access_key_id(self.headers, self.query) != signature.access_key_id:
            return error("IncompleteSignature", "The request names more than one key.")
        late = self._expired(signature) if presigned else sigv4.request_time_failure(signature)
        if late:
            return error(*late)
        token = self.query.get("X-Amz-Security-Token", [""])[0] if presigned else None
        credential = _credential(
            signature.access_key_id, self.headers.get("x-amz-security-token", "") if token is None else token
        )
        if isinstance(credential, iam_evaluator.CredentialResolutionError):
            return error(credential.code, credential.message)
        if self.path.startswith(_EMULATOR) and credential.principal_type != "Root":
            return error("AccessDenied", "This is for the account's root alone.")
        digest = self.headers.get("x-amz-content-sha256", "")
        if len(digest) == 64 and not hmac.compare_digest(digest.encode(), hashlib.sha256(body).hexdigest().encode()):
            return error("XAmzContentSHA256Mismatch", "The body is not the one that was signed.")
        wrong = sigv4.header_signature_failure(
            signature,
            credential.secret_access_key,
            self.method,
            self.raw_path,
            self.query,
            self.headers,
            body,
            presigned=presigned,
        )
        return error(*wrong) if wrong else None

    def _expired(self, signature: Any) -> tuple[str, str] | None:
        """Return code and message of the error if a presigned URL has expired, or None."""
        try:
            expired = sigv4.presigned_request_is_expired(signature.amz_date, self.query["X-Amz-Expires"][0])
        except (KeyError, ValueError):
            expired = True
        return ("AccessDenied", "Request has expired") if expired else None


def _credential(access_key: str, token: str) -> Any:
    """Return MiniStack's credential for an access key and session token, or its CredentialResolutionError."""
    account = responses._account_from_sts_session(access_key)
    try:
        account = account or iam_evaluator.find_iam_access_key_account(access_key)
    except iam_evaluator.AmbiguousAccessKeyError:
        account = None
    # The root user's access key may be an account id, which then selects the account.
    if account is None:
        account = access_key if access_key.isdigit() else _ACCOUNT
    return iam_evaluator.resolve_credential(access_key, account, token)


def open_to_pages(scope: Scope) -> bool:
    """Return whether web pages of other origins may send this request: to an API, a function URL or a bucket."""
    asked = Asked(scope)
    return asked.of_an_application or asked.of_a_bucket


class SignedRequests:
    """ASGI middleware that rejects requests without a valid signature, in the error format of the requested service."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        asked = Asked(scope)
        if asked.needs_no_signature:
            await self._inner(scope, receive, send)
            return
        messages, body = await _read(receive)
        failure = asked.failure(body)
        if failure is not None:
            request_id = str(uuid.uuid4())
            answer = app._credential_failure(asked.service, "", request_id, failure, asked.headers)
            await app._send_response(send, *answer)
            return

        async def again() -> Message:
            """Return the messages that were read already, then the following."""
            return messages.pop(0) if messages else await receive()

        await self._inner(scope, again, send)


async def _read(receive: Receive) -> tuple[list[Message], bytes]:
    """Receive a whole request. Return its ASGI messages and its body."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages, b"".join(message.get("body", b"") for message in messages)

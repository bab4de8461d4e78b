"""Who may ask the local AWS for what: programs that signed their request with keys that it gave out.

AWS refuses whatever isn't signed rightly ("Authenticating requests"), but a few things that anybody may use. MiniStack
takes the account's root at its word and answers under ``/_ministack/`` and elsewhere without asking who it is; and
the keys that it gives to functions can be derived from their names. This module puts in front of it:

- :class:`~ops.loopback.guard.LoopbackGuard`: no foreign ``Host``, and nothing for web pages but what is meant for them
  (``open_to_pages``): an API's own paths, function URLs, and what is in a bucket, under their own CORS rules;
- :class:`SignedRequests`: a right signature, by header or query, of the root too, whose secret is new at each start.
  Unsigned are ``/_ministack/health``, an API's own paths and function URLs (which ask for a signature where they are
  configured so), a bucket's preflights, and its upload forms, which are signed in a field that MiniStack verifies.
  Other paths of the emulator itself are for the root alone.

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
    """Give functions keys that nobody can work out."""
    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = execution_credentials


def guarded(inner: ASGIApp) -> ASGIApp:
    """MiniStack's application behind both guards."""
    return LoopbackGuard(SignedRequests(inner), open_to_pages, links=False)


def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
    """The keys of a function's execution role, in the variables of its environment."""
    session = iam_role.assume(config["Role"], config["FunctionName"][:64])
    return {
        "AWS_ACCESS_KEY_ID": session.access_key,
        "AWS_SECRET_ACCESS_KEY": session.secret_key,
        "AWS_SESSION_TOKEN": session.token,
    }


class Asked:
    """A request as MiniStack reads it."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: str = (scope.get("raw_path") or quote(self.path).encode()).decode("latin-1")
        self.query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        self.headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), sigv4.decode_header_value(raw_value)
            # A header that is sent several times is signed as its values joined by a comma.
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value

    @property
    def of_an_application(self) -> bool:
        """Whether it is for an API's own path or a function URL."""
        host = self.headers.get("host", "")
        api = app._parse_execute_api_url(host, self.path)
        if api is not None:
            return not api[2].startswith("/@connections/")
        return app._parse_lambda_url(host, self.path) is not None

    @property
    def of_a_bucket(self) -> bool:
        """Whether it is for a bucket or what is in one."""
        if self.service != "s3":
            return False
        return app._s3_cors_target(self.headers.get("host", ""), self.path) is not None

    @property
    def service(self) -> str:
        return str(app.detect_service(self.method, self.path, self.headers, self.query))

    @property
    def is_signed(self) -> bool:
        """Whether it has any part of a signature, right or wrong."""
        return bool(iam_evaluator._signature_attempted(self.headers.get("authorization", ""), self.query))

    @property
    def needs_no_signature(self) -> bool:
        if self.path == HEALTH or self.of_an_application:
            return not self.is_signed
        if self.method not in ("OPTIONS", "POST") or not self.of_a_bucket:
            return False
        is_form = self.headers.get("content-type", "").startswith("multipart/form-data")
        # A preflight has the query of the request that it asks for, whose signature is not its own.
        return self.method == "OPTIONS" or (is_form and not self.query and "/" not in self.path.strip("/"))

    def failure(self, body: bytes) -> Any:
        """Why the signature is not right, as MiniStack's ``AuthError``, or None."""
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
        # MiniStack looks for the key in its own way; it must come to the same.
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
        try:
            expired = sigv4.presigned_request_is_expired(signature.amz_date, self.query["X-Amz-Expires"][0])
        except (KeyError, ValueError):
            expired = True
        return ("AccessDenied", "Request has expired") if expired else None


def _credential(access_key: str, token: str) -> Any:
    account = responses._account_from_sts_session(access_key)
    try:
        account = account or iam_evaluator.find_iam_access_key_account(access_key)
    except iam_evaluator.AmbiguousAccessKeyError:
        account = None
    # The root's id may be that of an account, which then is the account.
    if account is None:
        account = access_key if access_key.isdigit() else _ACCOUNT
    return iam_evaluator.resolve_credential(access_key, account, token)


def open_to_pages(scope: Scope) -> bool:
    """Whether pages of other origins may use this, under its own CORS rules."""
    asked = Asked(scope)
    return asked.of_an_application or asked.of_a_bucket


class SignedRequests:
    """Middleware that refuses what isn't signed rightly, in the words of the service that was asked."""

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
            return messages.pop(0) if messages else await receive()

        await self._inner(scope, again, send)


async def _read(receive: Receive) -> tuple[list[Message], bytes]:
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages, b"".join(message.get("body", b"") for message in messages)

"""Sign requests with AWS Signature Version 4, in a header.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote

from chalicelib.adapters.aws.environment import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"


def signed(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """Return ``headers`` with the date, the session token and the signature (``Authorization``).

    ``headers`` must hold ``Host``; all of them are signed. ``path`` is escaped, as it is sent, and there is no query.
    ``now`` is in seconds since the epoch; AWS accepts a signature for five minutes.
    """
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    complete = {**headers, "X-Amz-Date": date}
    if service == "s3":
        complete["X-Amz-Content-Sha256"] = sha256(body).hexdigest()
    if credentials.token:
        complete["X-Amz-Security-Token"] = credentials.token
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    # Every service but S3 expects the path to be escaped twice.
    escaped = path if service == "s3" else quote(path, safe="/~")
    request, signed_headers = _canonical_request(method, escaped, complete, body)
    signature = _signature(credentials.secret_key, scope, _string_to_sign(date, scope, request))
    complete["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={signed_headers}, Signature={signature}"
    )
    return complete


def _canonical_request(method: str, escaped: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """Return the canonical request, and the names of its signed headers."""
    # Runs of spaces count as one.
    lower = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(lower))
    lines = (f"{name}:{lower[name]}" for name in sorted(lower))
    no_query = ""
    return "\n".join((method, escaped, no_query, *lines, "", names, sha256(body).hexdigest())), names


def _string_to_sign(date: str, scope: str, canonical_request: str) -> str:
    return "\n".join((_ALGORITHM, date, scope, sha256(canonical_request.encode()).hexdigest()))


def _signature(secret_key: str, scope: str, text: str) -> str:
    """Sign ``text`` with a key that is derived for the scope: day, region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()

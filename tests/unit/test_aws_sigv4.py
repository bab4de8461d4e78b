"""AWS Signature Version 4: AWS's own examples, and the same signature as botocore for any request."""

from __future__ import annotations

import calendar
import time
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.aws.environment import Credentials
from chalicelib.adapters.aws.sigv4 import signed

TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth"
    "Ax7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAk"
    "iY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOON = calendar.timegm((2015, 8, 30, 12, 36, 0))
HOST = {"Host": "example.amazonaws.com"}
NAMES, TOKEN_NAMES = "host;x-amz-date", "host;x-amz-date;x-amz-security-token"
FORM, FORM_NAMES = {"Content-Type": "application/x-www-form-urlencoded"}, "content-type;host;x-amz-date"
CASED, CASED_NAMES = {"My-Header1": "VALUE1"}, "host;my-header1;x-amz-date"
TRIMMED = {"My-Header1": " value1", "My-Header2": '"a   b   c"'}
TRIMMED_NAMES = "host;my-header1;my-header2;x-amz-date"

VECTORS = [
    ("GET", {}, b"", NAMES, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("POST", {}, b"", NAMES, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("POST", FORM, b"Param1=value1", FORM_NAMES, "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ("POST", CASED, b"", CASED_NAMES, "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    ("GET", TRIMMED, b"", TRIMMED_NAMES, "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ("POST", {}, b"", TOKEN_NAMES, "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
]
"""get-vanilla, post-vanilla, post-x-www-form-urlencoded, post-header-value-case, get-header-value-trim and
post-sts-header-before of AWS's Signature Version 4 test suite (aws-c-auth, tests/aws-signing-test-suite/v4)."""


@pytest.mark.parametrize(("method", "headers", "body", "names", "signature"), VECTORS)
def test_the_signatures_of_awss_test_suite(
    method: str, headers: dict[str, str], body: bytes, names: str, signature: str
) -> None:
    token = TOKEN if names == TOKEN_NAMES else ""
    found = signed(
        method, "/", HOST | headers, body, Credentials("AKIDEXAMPLE", SECRET, token), "us-east-1", "service", NOON
    )
    assert found["X-Amz-Date"] == "20150830T123600Z"
    assert found.get("X-Amz-Security-Token", "") == token
    assert found["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


WORD = st.text("abcXYZ019-_.", min_size=1, max_size=20)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
SEGMENT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda s: s.strip("."))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    segments=st.lists(SEGMENT, max_size=4),
    more=st.dictionaries(WORD.map(lambda name: f"X-Amz-{name}"), VALUE, max_size=3),
    body=st.binary(max_size=200),
    secret=st.text("abcDEF123/+", min_size=1, max_size=60),
    token=st.text("abcDEF123/+=", max_size=60),
    region=WORD,
    service=WORD,
    now=st.integers(0, 4_000_000_000),
)
def test_any_request_is_signed_as_botocore_signs_it(
    segments: list[str], more: dict[str, str], body: bytes, secret: str, token: str, region: str, service: str, now: int
) -> None:
    more = {name: value for name, value in more.items() if name.lower() not in ("x-amz-date", "x-amz-security-token")}
    more = {name.lower(): value for name, value in more.items()}
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    headers = HOST | {"Content-Type": "application/x-amz-json-1.0"} | more
    found = signed("POST", path, headers, body, Credentials("AKID", secret, token), region, service, now)

    request = AWSRequest("POST", f"https://{HOST['Host']}{path}", headers, body)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    request.context["timestamp"] = stamp
    request.headers["X-Amz-Date"] = stamp
    if token:
        request.headers["X-Amz-Security-Token"] = token
    theirs: Any = SigV4Auth(BotocoreCredentials("AKID", secret, token or None), service, region)
    theirs._inject_signature_to_request(
        request, theirs.signature(theirs.string_to_sign(request, theirs.canonical_request(request)), request)
    )
    assert found["Authorization"] == request.headers["Authorization"]

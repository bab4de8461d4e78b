"""Who may ask the local AWS for what: signed_requests.py of ops/local/aws, and the guard that stands in front of it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from ops.loopback import credentials
from tests import signed
from tests.local_stack.local_aws import ACCOUNT, LocalAws, free_port, start, stop

ROLE_OF = """
import os
def handler(event, context):
    return [os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
"""
SECRET = "of-the-owner"
ASKED = json.dumps({"Name": "/herald/secret", "WithDecryption": True}).encode()
TARGET = {"X-Amz-Target": "AmazonSSM.GetParameter", "Content-Type": "application/x-amz-json-1.1"}


@pytest.fixture(scope="module")
def secret(aws: LocalAws) -> str:
    aws.client("ssm").put_parameter(Name="/herald/secret", Value=SECRET, Type="SecureString", Overwrite=True)
    return SECRET


def read_secret(aws: LocalAws, keys: Credentials, **more: str) -> requests.Response:
    """GetParameter, signed with these keys; ``more`` headers are added afterwards."""
    url = f"{aws.endpoint}/"
    headers = signed.headers(keys, "POST", url, "ssm", ASKED, **TARGET)
    return requests.post(url, data=ASKED, headers=headers | more, timeout=60)


def says_nothing_to_pages(answer: requests.Response) -> bool:
    return not [name for name in answer.headers if name.lower().startswith("access-control-")]


def refuses(answer: requests.Response) -> bool:
    return answer.status_code in (400, 403) and SECRET not in answer.text


def presigned(aws: LocalAws, keys: Credentials, path: str, service: str, expires: int = 60, method: str = "GET") -> str:
    request = AWSRequest(method, aws.endpoint + path)
    SigV4QueryAuth(keys, service, "us-east-1", expires).add_auth(request)
    return str(request.url)


def test_the_root_is_who_has_the_secret(aws: LocalAws, secret: str) -> None:
    answer = read_secret(aws, signed.root(aws.endpoint))
    assert answer.json()["Parameter"]["Value"] == secret
    assert says_nothing_to_pages(answer)


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("key", ["test", ACCOUNT, "123456789012", "", "ASIA0000000000000000"])
def test_nobody_is_root_by_a_name(aws: LocalAws, key: str) -> None:
    answer = read_secret(aws, Credentials(key, "test"))
    assert refuses(answer), answer.text


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "AWS test:signature",
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ssm/aws4_request",
        "AWS4-ECDSA-P256-SHA256 Credential=test/20260101/ssm/aws4_request, SignedHeaders=host, Signature=00",
        "Bearer test",
        "Basic dGVzdDp0ZXN0",
        "",
    ],
)
def test_what_is_not_signed_is_refused(aws: LocalAws, authorization: str | None) -> None:
    headers = TARGET | ({} if authorization is None else {"Authorization": authorization})
    answer = requests.post(aws.endpoint, data=ASKED, headers=headers, timeout=60)
    assert refuses(answer), answer.text


@pytest.mark.usefixtures("secret")
def test_neither_body_nor_header_nor_key_can_be_changed_after_signing(aws: LocalAws) -> None:
    root = signed.root(aws.endpoint)
    url = f"{aws.endpoint}/"
    for digest in ({}, {"X-Amz-Content-SHA256": hashlib.sha256(b"{}").hexdigest()}):
        headers = signed.headers(root, "POST", url, "ssm", b"{}", **TARGET, **digest)
        assert SECRET not in requests.post(url, data=ASKED, headers=headers, timeout=60).text
    assert SECRET not in read_secret(aws, root, **{"X-Amz-Date": "20260101T000000Z"}).text
    # Two keys in one header: what MiniStack would take, and what was signed.
    role = Credentials(*aws.invoke(aws.function(ROLE_OF))[0])
    both = signed.headers(role, "POST", url, "ssm", ASKED, **TARGET)
    both["Authorization"] = both["Authorization"].replace("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=test/x, ")
    assert SECRET not in requests.post(url, data=ASKED, headers=both, timeout=60).text


def test_a_functions_keys_are_its_roles_and_nobody_can_work_them_out(aws: LocalAws) -> None:
    function = aws.function(ROLE_OF)
    keys = Credentials(*aws.invoke(function)[0])
    role: str = aws.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    denied = read_secret(aws, keys)
    assert (denied.status_code, denied.json()["__type"]) == (400, "AccessDeniedException"), denied.text
    assert role.rpartition("/")[2] in denied.text
    for text in (f"{function}:{role}", f"{role}:{function.rpartition(':')[2]}"):
        digest = hashlib.sha256(text.encode()).hexdigest()
        assert keys.secret_key not in (digest[16:56], hashlib.sha256(f"secret:{digest}".encode()).hexdigest())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/ses/messages"),
        ("GET", "/_ministack/lambda-code/fn"),
        ("OPTIONS", "/"),
        ("GET", "/oauth2/authorize"),
        ("GET", "/health"),
        ("GET", "/"),
    ],
)
def test_the_emulators_own_paths_are_for_the_root_alone(aws: LocalAws, method: str, path: str) -> None:
    url = aws.endpoint + path
    assert requests.request(method, url, timeout=60).status_code == 403
    role = Credentials(*aws.invoke(aws.function(ROLE_OF))[0])
    if path.startswith("/_ministack/"):
        headers = signed.headers(role, method, url)
        assert requests.request(method, url, headers=headers, timeout=60).status_code == 403


def test_health_is_for_everybody_and_says_nothing_to_pages(aws: LocalAws) -> None:
    answer = requests.get(f"{aws.endpoint}/_ministack/health", timeout=60)
    assert answer.status_code == 200
    assert says_nothing_to_pages(answer)


def test_a_query_is_verified_too_and_expires(aws: LocalAws) -> None:
    root, path = signed.root(aws.endpoint), "/2015-03-31/functions"
    assert requests.get(presigned(aws, root, path, "lambda"), timeout=60).status_code == 200
    for keys, expires in ((Credentials("test", "test"), 60), (root, -60)):
        assert requests.get(presigned(aws, keys, path, "lambda", expires), timeout=60).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4566", "127.0.0.1.evil.example", "bucket.s3.localhost", "localhost.", ""]
)
@pytest.mark.parametrize("path", ["/_ministack/health", "/restapis/abc/api/_user_request_/health", "/"])
def test_a_foreign_host_is_refused_everywhere(aws: LocalAws, host: str, path: str) -> None:
    answer = requests.get(aws.endpoint + path, headers={"Host": host}, timeout=60)
    assert answer.status_code == 400


PAGES: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1313"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_is_refused_even_with_a_right_signature(aws: LocalAws, secret: str, page: dict[str, str]) -> None:
    answer = read_secret(aws, signed.root(aws.endpoint), **page)
    assert answer.status_code == 403
    assert secret not in answer.text
    assert says_nothing_to_pages(answer)


def test_a_link_of_a_page_is_not_followed(aws: LocalAws) -> None:
    url = presigned(aws, signed.root(aws.endpoint), "/2015-03-31/functions", "lambda")
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert requests.get(url, headers=link, timeout=60).status_code == 403
    assert requests.get(url, headers=link | {"Sec-Fetch-Site": "none"}, timeout=60).status_code == 200


CORS = {"AllowedOrigins": ["https://site.example"], "AllowedMethods": ["GET", "PUT", "POST"], "AllowedHeaders": ["*"]}


@pytest.fixture(scope="module")
def bucket(aws: LocalAws) -> str:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="attachments")
    s3.put_bucket_cors(Bucket="attachments", CORSConfiguration={"CORSRules": [CORS]})
    s3.put_object(Bucket="attachments", Key="letter", Body=b"of a visitor")
    return "attachments"


def signer(aws: LocalAws) -> Any:
    """S3 takes no older signature for a bucket of today, which boto3 would use for links and forms."""
    keys: Any = {name.lower(): value for name, value in credentials.keys(aws.endpoint).items()}
    newer = Config(signature_version="s3v4")
    return boto3.client("s3", endpoint_url=aws.endpoint, region_name="us-east-1", config=newer, **keys)


@pytest.mark.parametrize(("origin", "allowed"), [("https://site.example", True), ("https://evil.example", False)])
def test_a_bucket_has_its_own_rules_for_pages(aws: LocalAws, bucket: str, origin: str, allowed: bool) -> None:
    url = signer(aws).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "letter"})
    for answer in (
        requests.get(url, headers={"Origin": origin}, timeout=60),
        requests.options(url, headers={"Origin": origin, "Access-Control-Request-Method": "GET"}, timeout=60),
    ):
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    unsigned = requests.get(f"{aws.endpoint}/{bucket}/letter", headers={"Origin": origin}, timeout=60)
    assert (unsigned.status_code, "visitor" in unsigned.text) == (403, False)
    for method in ("PUT", "DELETE", "POST"):
        answer = requests.request(method, f"{aws.endpoint}/{bucket}/letter", data=b"x", timeout=60)
        assert answer.status_code == 403
    assert aws.client("s3").get_object(Bucket=bucket, Key="letter")["Body"].read() == b"of a visitor"


def test_an_upload_form_is_signed_in_its_fields(aws: LocalAws, bucket: str) -> None:
    s3 = signer(aws)
    form = s3.generate_presigned_post(bucket, "upload")
    page = {"Origin": "https://site.example"}
    for fields, expected in (
        (form["fields"], 204),
        ({"key": "upload"}, 403),
        (form["fields"] | {"x-amz-signature": "0" * 64}, 403),
    ):
        answer = requests.post(form["url"], data=fields, files={"file": b"new"}, headers=page, timeout=60)
        assert answer.status_code == expected, answer.text
    emptied = "<Delete><Object><Key>letter</Key></Object></Delete>"
    answer = requests.post(f"{form['url']}?delete", data={"x": emptied}, files={"file": b"new"}, timeout=60)
    assert answer.status_code == 403


def test_the_keys_are_made_anew_at_each_start_for_their_owner_alone(scratch: Path) -> None:
    port, found = free_port(), set[Any]()
    path = credentials.file_of(port)
    for _ in range(2):
        process = start(port, scratch / "keys")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found.add(path.read_text())
        stop(process)
        assert not path.exists()
        # Left by a server that was killed, readable for everybody: no new secret gets into it.
        path.parent.mkdir(exist_ok=True)
        path.write_text("left")
        path.chmod(0o644)
    path.unlink()
    path.parent.rmdir()
    assert len(found) == 2

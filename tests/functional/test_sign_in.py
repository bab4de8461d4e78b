"""A job signs in once: its token lives for minutes, and the processes that come later still have keys."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

pytestmark = pytest.mark.full

ROLE = "arn:aws:iam::123456789012:role/herald-deploy-dev"
SUBJECT = "repo:Owner@1/name@2:environment:dev"
CLAIMS = base64.urlsafe_b64encode(json.dumps({"sub": SUBJECT, "ref": "refs/heads/main"}).encode()).decode().rstrip("=")
TOKEN = f"e30.{CLAIMS}.signature"

_XML = '<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{body}</{action}Response>'
_KEYS = f"""<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAISSUED</AccessKeyId>
<SecretAccessKey>issued%secret</SecretAccessKey><SessionToken>issued-session</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId>
<Arn>{ROLE}</Arn></AssumedRoleUser></AssumeRoleWithWebIdentityResult>"""
_CALLER = f"""<GetCallerIdentityResult><Arn>{ROLE.replace("role", "assumed-role")}/s</Arn><UserId>A:s</UserId>
<Account>123456789012</Account></GetCallerIdentityResult>"""


class StandIn(ThreadingHTTPServer):
    """GitHub's issuer of tokens, and an STS to which a token is worth nothing once it has expired."""

    expired = False
    refuses = ""
    exchanged = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        """A token, for whoever has the job's own and asks for AWS's audience."""
        asked = parse_qs(urlsplit(self.path).query)
        good = self.headers["Authorization"] == "bearer of-the-job" and asked == {
            "api-version": ["2.0"],
            "audience": ["sts.amazonaws.com"],
        }
        self._answer(200 if good else 401, json.dumps({"value": TOKEN, "count": 1} if good else {}))

    def do_POST(self) -> None:
        """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"""
        asked = {k: v[0] for k, v in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()}
        if asked["Action"] == "GetCallerIdentity":
            signed = "Credential=ASIAISSUED/" in self.headers.get("Authorization", "")
            if signed and self.headers["X-Amz-Security-Token"] == "issued-session":
                self._answer(200, _XML.format(action="GetCallerIdentity", body=_CALLER))
            else:
                self._refuse("InvalidClientTokenId")
        elif self.server.expired:
            self._refuse("ExpiredTokenException")
        elif self.server.refuses:
            self._refuse(self.server.refuses)
        else:
            assert (asked["WebIdentityToken"], asked["RoleArn"], asked["DurationSeconds"]) == (TOKEN, ROLE, "3600")
            assert "Authorization" not in self.headers
            self.server.exchanged += 1
            self._answer(200, _XML.format(action="AssumeRoleWithWebIdentity", body=_KEYS))

    def _refuse(self, code: str) -> None:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>No: {code}</Message></Error>"
        self._answer(403, f"<ErrorResponse>{error}</ErrorResponse>")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def job(stand_in: StandIn, tmp_path: Path) -> dict[str, str]:
    """The environment of the workflow's steps."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_REGION": "eu-central-1",
        "AWS_ROLE_ARN": ROLE,
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys"),
        "AWS_ENDPOINT_URL_STS": stand_in.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{stand_in.url}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
    }


def ran(job: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], env=job, capture_output=True, text=True, timeout=120)


def sign_in(job: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return ran(job, "-m", "ops.aws.github_sign_in", job["AWS_SHARED_CREDENTIALS_FILE"])


COMMAND = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
CHALICE = (
    "from chalice.cli.factory import create_botocore_session as session;"
    "print(session().create_client('sts').get_caller_identity()['Arn'])"
)


def test_each_process_has_keys_after_the_token_has_expired(stand_in: StandIn, job: dict[str, str]) -> None:
    done = sign_in(job)
    assert done.returncode == 0, done.stderr
    stand_in.expired = True
    job["AWS_DEFAULT_REGION"] = job["AWS_REGION"]
    for command in (COMMAND, CHALICE, COMMAND):
        later = ran(job, "-c", command)
        assert later.stdout.strip() == "arn:aws:iam::123456789012:assumed-role/herald-deploy-dev/s", later.stderr
    assert stand_in.exchanged == 1


def test_a_client_that_exchanges_the_token_itself_would_come_too_late(
    stand_in: StandIn, job: dict[str, str], tmp_path: Path
) -> None:
    """What this is for: the stand-in does to a token what AWS does."""
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    stand_in.expired = True
    job |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_DEFAULT_REGION": "eu-central-1"}
    assert "ExpiredTokenException" in ran(job, "-c", COMMAND).stderr


def test_it_says_the_subject_and_no_secret_and_the_keys_are_for_one_user(job: dict[str, str]) -> None:
    Path(job["AWS_SHARED_CREDENTIALS_FILE"]).touch(0o644)
    done = sign_in(job)
    said = done.stdout + done.stderr
    assert f"This job's subject: {SUBJECT}, on refs/heads/main" in said
    assert not any(secret in said for secret in ("issued", TOKEN, "of-the-job"))
    assert stat.S_IMODE(Path(job["AWS_SHARED_CREDENTIALS_FILE"]).stat().st_mode) == 0o600


def test_who_is_refused_hears_the_subject_and_where_to_look(stand_in: StandIn, job: dict[str, str]) -> None:
    stand_in.refuses = "AccessDenied"
    done = sign_in(job)
    assert done.returncode == 1
    assert SUBJECT in done.stdout
    assert f"AWS does not lend this job {ROLE}" in done.stderr
    assert "docs/pipeline.md" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(job["AWS_SHARED_CREDENTIALS_FILE"]).exists()


@pytest.mark.parametrize("name", ["ACTIONS_ID_TOKEN_REQUEST_URL", "AWS_ROLE_ARN", "AWS_REGION"])
def test_what_is_not_set_is_named(job: dict[str, str], name: str) -> None:
    job[name] = ""
    done = sign_in(job)
    assert (done.returncode, done.stderr.startswith(f"Error: {name} is not set: ")) == (1, True)


def test_a_job_that_gets_no_token_hears_so(job: dict[str, str]) -> None:
    done = sign_in(job | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "wrong"})
    assert (done.returncode, "GitHub gives this job no token: 401" in done.stderr) == (1, True), done.stderr
    assert "wrong" not in done.stdout + done.stderr

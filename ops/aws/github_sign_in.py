"""``python -m ops.aws.github_sign_in FILE``: lend a GitHub Actions job the role ``AWS_ROLE_ARN`` for an hour.

GitHub's token is valid for five minutes, and AWS's clients exchange it in each process, so in a long job the later ones
fail. Here it is exchanged once, for keys that outlive the job. They are written to a file that AWS's clients find by
``AWS_SHARED_CREDENTIALS_FILE``, and are in no step's environment.
https://docs.github.com/en/actions/reference/security/oidc
"""

from __future__ import annotations

import base64
import binascii
import configparser
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ops.errors import OpsError

_AUDIENCE = "sts.amazonaws.com"
SECONDS = 3600
"""No longer than the role allows: ``MaxSessionDuration`` in ops/templates/pipeline_roles.py."""
_NEEDED = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "GitHub sets it in a job with the permission `id-token: write`",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "GitHub sets it in a job with the permission `id-token: write`",
    "AWS_ROLE_ARN": "the ARN of the role, an output of the stack that docs/pipeline.md makes",
    "AWS_REGION": "such as eu-central-1",
}


def sign_in(file: Path, environ: Mapping[str, str]) -> None:
    """Write the role's keys into a file that only this user can read; raises :class:`OpsError`."""
    for name, what in _NEEDED.items():
        if not environ.get(name):
            raise OpsError(f"{name} is not set: {what}")
    token = _token(environ["ACTIONS_ID_TOKEN_REQUEST_URL"], environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
    claims = _claims(token)
    print(f"This job's subject: {claims.get('sub')}, on {claims.get('ref')}", flush=True)
    config = Config(signature_version=UNSIGNED, connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
    try:
        credentials = boto3.client(
            "sts", region_name=environ["AWS_REGION"], config=config
        ).assume_role_with_web_identity(
            RoleArn=environ["AWS_ROLE_ARN"],
            RoleSessionName=f"github-{environ.get('GITHUB_RUN_ID', 'run')}",
            WebIdentityToken=token,
            DurationSeconds=SECONDS,
        )["Credentials"]
    except (ClientError, BotoCoreError) as error:
        raise OpsError(
            f"AWS does not lend this job {environ['AWS_ROLE_ARN']}: {error}\n"
            "Is that the subject, and the branch, that the role trusts? See docs/pipeline.md, Whom the roles let in."
        ) from error
    keys = configparser.RawConfigParser()
    keys["default"] = {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }
    file.unlink(missing_ok=True)  # An existing file may be readable by others.
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
        keys.write(target)
    print(f"Signed in until {credentials['Expiration']:%H:%M:%S} UTC")


def _token(url: str, bearer: str) -> str:
    """The job's token for AWS, from GitHub."""
    with requests.Session() as session:
        retries = Retry(total=3, backoff_factor=1, status_forcelist=(500, 502, 503, 504))
        session.mount(url, HTTPAdapter(max_retries=retries))
        try:
            answer = session.get(
                url, params={"audience": _AUDIENCE}, headers={"Authorization": f"bearer {bearer}"}, timeout=20
            )
            answer.raise_for_status()
            return str(answer.json()["value"])
        except (requests.RequestException, ValueError, KeyError) as error:
            raise OpsError(f"GitHub gives this job no token: {error}. Run the job again") from error


def _claims(token: str) -> dict[str, Any]:
    """The claims of the token, to be printed. They are not verified here; AWS does that."""
    try:
        body = token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return claims


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        sign_in(Path(sys.argv[1]), os.environ)
    except OpsError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)

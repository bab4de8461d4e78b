"""Requests that a test signs itself, as the local AWS's root unless it says otherwise."""

from __future__ import annotations

from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ops.loopback import credentials


def root(endpoint: str) -> Credentials:
    """The root's keys of the local AWS at this address."""
    return Credentials(*credentials.keys(endpoint).values())


def headers(keys: Credentials, method: str, url: str, service: str = "ses", data: bytes = b"", **more: str) -> Any:
    """The headers of a request that is signed with these keys; ``more`` are signed too."""
    request = AWSRequest(method, url, data=data, headers=more)
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    return dict(request.headers)


def get(endpoint: str, path: str) -> Any:
    """What the local AWS's own list at this path holds."""
    url = endpoint + path
    answer = requests.get(url, headers=headers(root(endpoint), "GET", url), timeout=60)
    answer.raise_for_status()
    return answer.json()

"""What a function's environment says about calling AWS: credentials, region and endpoint.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

BEYOND_OURS = (
    # Credentials that don't stand in the environment, or that expire within an environment's life.
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    # Configuration that doesn't, service models of one's own, other endpoints and other signatures.
    "AWS_CONFIG_FILE",
    "AWS_DATA_PATH",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ACCOUNT_ID",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_ENDPOINT_DISCOVERY_ENABLED",
    "AWS_AUTH_SCHEME_PREFERENCE",
    "AWS_SIGV4A_SIGNING_REGION_SET",
    # Retries of another kind, and what watches an SDK.
    "AWS_NEW_RETRIES_2026",
    "AWS_CSM_ENABLED",
    "BOTOCORE_TCP_KEEPALIVE",
    # Another authority, and proxies.
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)
"""Variables that botocore obeys and our client doesn't: where one is set, botocore answers."""

_DOMAINS = (
    (re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d+"), "amazonaws.com"),
    (re.compile(r"us-gov-[a-z]+-\d+"), "amazonaws.com"),
    (re.compile(r"cn-[a-z]+-\d+"), "amazonaws.com.cn"),
)
"""Regions of the partitions aws, aws-us-gov and aws-cn, and the domains of their endpoints:
https://docs.aws.amazon.com/general/latest/gr/rande.html"""


class Credentials:
    """An access key. Lambda gives it to an environment for as long as that lives."""

    __slots__ = ("access_key", "secret_key", "token")

    def __init__(self, access_key: str, secret_key: str, token: str = "") -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token


class Endpoint:
    """Where a service answers, and with what requests to it are signed."""

    __slots__ = ("ca_bundle", "credentials", "host", "port", "region", "secure", "signing_name")

    def __init__(
        self,
        secure: bool,
        host: str,
        port: int | None,
        region: str,
        signing_name: str,
        credentials: Credentials,
        ca_bundle: str = "",
    ) -> None:
        self.secure = secure
        self.host = host
        self.port = port
        self.region = region
        self.signing_name = signing_name
        self.credentials = credentials
        self.ca_bundle = ca_bundle
        """A file of certificates to trust instead of the system's."""

    @property
    def authority(self) -> str:
        """What stands in ``Host``: a port only where it isn't the scheme's own (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, 443 if self.secure else 80) else f"{host}:{self.port}"


def endpoint(environ: Mapping[str, str], prefix: str, service_id: str, signing_name: str) -> Endpoint | None:
    """Where a service answers a Lambda function, or None where that is for botocore to find out.

    ``prefix`` begins the name of its endpoints, ``service_id`` ends ``AWS_ENDPOINT_URL_…``:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    region = environ.get("AWS_DEFAULT_REGION", "") or environ.get("AWS_REGION", "")
    if not (environ.get("AWS_LAMBDA_FUNCTION_NAME") and access_key and secret_key):
        return None
    if any(environ.get(name) for name in BEYOND_OURS):
        return None
    domain = next((domain for pattern, domain in _DOMAINS if pattern.fullmatch(region)), "")
    if not domain:
        return None
    url = environ.get(f"AWS_ENDPOINT_URL_{service_id}") or environ.get("AWS_ENDPOINT_URL")
    address = urlsplit(url or f"https://{prefix}.{region}.{domain}")
    if address.scheme not in ("http", "https") or not address.hostname or address.path not in ("", "/"):
        return None
    if address.query or address.fragment or address.username:
        return None
    return Endpoint(
        address.scheme == "https",
        address.hostname,
        address.port,
        region,
        signing_name,
        Credentials(access_key, secret_key, environ.get("AWS_SESSION_TOKEN", "")),
        environ.get("AWS_CA_BUNDLE", ""),
    )

"""Read credentials, region and endpoint from a function's environment variables.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from chalicelib.settings import SettingsError

CLIENT_VARIABLE = "HERALD_AWS_CLIENT"
"""Names the client that calls AWS: ``own`` or ``botocore``."""

BOTOCORE_ONLY = (
    # Credentials that are elsewhere, or that expire while the process runs.
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    # Configuration files, service models, other endpoints and other signatures.
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
    # Other retries, client-side monitoring and keep-alive.
    "AWS_NEW_RETRIES_2026",
    "AWS_CSM_ENABLED",
    "BOTOCORE_TCP_KEEPALIVE",
    # Another certificate authority, and proxies.
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)
"""Variables that only botocore obeys: where one is set, botocore calls AWS."""

_DOMAINS = (
    (re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d+"), "amazonaws.com"),
    (re.compile(r"us-gov-[a-z]+-\d+"), "amazonaws.com"),
    (re.compile(r"cn-[a-z]+-\d+"), "amazonaws.com.cn"),
    (re.compile(r"eusc-(de)-[a-z]+-\d+"), "amazonaws.eu"),
)
"""Regions of the partitions aws, aws-us-gov, aws-cn and aws-eusc, and the domains of their endpoints:
https://docs.aws.amazon.com/general/latest/gr/rande.html"""


class UnsupportedEnvironment(Exception):
    """Herald's own client can't be used: because of ``variables``. The message says why."""

    def __init__(self, why: str, *variables: str) -> None:
        self.variables = variables
        super().__init__(f"{', '.join(variables)} {why}")


def wants_own_client(environ: Mapping[str, str]) -> bool:
    """Whether Herald's own client calls AWS, rather than botocore.

    ``HERALD_AWS_CLIENT`` decides. Without it: yes in a Lambda function, no elsewhere, where credentials
    may be of any kind. Raises :class:`~chalicelib.settings.SettingsError` for a value but ``own`` and ``botocore``.
    """
    chosen = environ.get(CLIENT_VARIABLE)
    if chosen is None:
        return bool(environ.get("AWS_LAMBDA_FUNCTION_NAME"))
    if chosen not in ("own", "botocore"):
        raise SettingsError(f"the environment variable {CLIENT_VARIABLE} is {chosen!r}; it holds own or botocore")
    return chosen == "own"


class Credentials:
    """An access key. In Lambda it is valid for as long as the process runs."""

    __slots__ = ("access_key", "secret_key", "token")

    def __init__(self, access_key: str, secret_key: str, token: str = "") -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token


class Endpoint:
    """The address of a service, and what signs requests to it."""

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
        """A file of certificate authorities to trust instead of the system's; empty for none."""

    @property
    def authority(self) -> str:
        """The value of ``Host``, with a port only where it isn't the scheme's default (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, 443 if self.secure else 80) else f"{host}:{self.port}"


def endpoint(environ: Mapping[str, str], prefix: str, service_id: str, signing_name: str) -> Endpoint:
    """Work out a service's endpoint; raises :class:`UnsupportedEnvironment` where only botocore can.

    ``prefix`` is the first part of the endpoint's host name, ``service_id`` the end of ``AWS_ENDPOINT_URL_…``:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    if unsupported := [name for name in BOTOCORE_ONLY if environ.get(name)]:
        raise UnsupportedEnvironment("is obeyed by botocore alone", *unsupported)
    if missing := [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not environ.get(name)]:
        raise UnsupportedEnvironment("is not set", *missing)
    named = next((name for name in ("AWS_DEFAULT_REGION", "AWS_REGION") if environ.get(name)), "AWS_DEFAULT_REGION")
    region = environ.get(named, "")
    domain = next((domain for pattern, domain in _DOMAINS if pattern.fullmatch(region)), "")
    if not domain:
        raise UnsupportedEnvironment("names no region of aws, aws-us-gov, aws-cn or aws-eusc", named)
    named = next((name for name in (f"AWS_ENDPOINT_URL_{service_id}", "AWS_ENDPOINT_URL") if environ.get(name)), "")
    address = urlsplit(environ[named] if named else f"https://{prefix}.{region}.{domain}")
    if (
        address.scheme not in ("http", "https")
        or not address.hostname
        or address.path not in ("", "/")
        or address.query
        or address.fragment
        or address.username
    ):
        raise UnsupportedEnvironment("is no http:// or https:// address of a host and a port alone", named)
    return Endpoint(
        address.scheme == "https",
        address.hostname,
        address.port,
        region,
        signing_name,
        Credentials(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN", "")
        ),
        environ.get("AWS_CA_BUNDLE", ""),
    )

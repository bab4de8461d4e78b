"""Where a function calls AWS, and with which credentials: as botocore would, or botocore itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.endpoint_provider import EndpointProvider
from botocore.session import Session

from chalicelib.adapters.aws import environment, own_client
from chalicelib.adapters.aws.environment import BOTOCORE_ONLY, UnsupportedEnvironment, endpoint, wants_own_client
from chalicelib.settings import SettingsError

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "herald-dev",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}
"""What Lambda sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
SERVICES = {"sns": "sns", "ssm": "ssm", "dynamodb": "dynamodb", "lambda": "lambda", "sesv2": "email"}
NOT_OURS = {
    # Given by the client itself, so the environment has no say.
    *("AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_DEFAULTS_MODE"),
    # Of other services, of where credentials are looked for, or of what Herald never does.
    *("AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
    *("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_EC2_METADATA_V1_DISABLED", "AWS_IMDS_USE_IPV6"),
    *("AWS_STS_REGIONAL_ENDPOINTS", "AWS_SDK_UA_APP_ID", "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES"),
    *("AWS_DISABLE_REQUEST_COMPRESSION", "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"),
    *("AWS_DISABLE_HOST_PREFIX_INJECTION", "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH"),
    *("AWS_CSM_HOST", "AWS_CSM_PORT", "AWS_CSM_CLIENT_ID"),
}
"""Variables of botocore's that change nothing about the calls that Herald makes."""
OBEYED = {"AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"}


def partitions() -> Any:
    return Session().get_component("data_loader").load_data("partitions")


ROOT = Path(__file__).resolve().parent.parent.parent
SERVED = re.findall(
    r"`([a-z-]+)`",
    (ROOT / "docs/policies.md").read_text(encoding="utf-8").partition("\nHerald renders for ")[2].partition(". ")[0],
)
"""The partitions that Herald says it serves."""
REGIONS = [
    (partition["id"], region)
    for partition in partitions()["partitions"]
    for region in partition["regions"]
    if not region.endswith("-global")
]


def unsupported(environ: dict[str, str]) -> tuple[str, ...]:
    """The variables by which our client can't go, and botocore must."""
    with pytest.raises(UnsupportedEnvironment) as raised:
        endpoint(environ, "sns", "SNS", "sns")
    assert all(name in str(raised.value) for name in raised.value.variables)
    return raised.value.variables


@pytest.fixture(scope="module")
def rules() -> dict[str, EndpointProvider]:
    loader = Session().get_component("data_loader")
    return {
        service: EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions())
        for service in SERVICES
    }


@pytest.mark.parametrize(("partition", "region"), REGIONS)
def test_a_service_answers_where_botocore_would_look_for_it(
    rules: dict[str, EndpointProvider], partition: str, region: str
) -> None:
    for service, prefix in SERVICES.items():
        environ = LAMBDA | {"AWS_DEFAULT_REGION": region}
        theirs = rules[service].resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False)
        if partition in SERVED:
            found = endpoint(environ, prefix, service.upper(), service)
            assert f"https://{found.authority}" == theirs.url
            assert found.region == region
        else:
            assert unsupported(environ) == ("AWS_DEFAULT_REGION",), "botocore knows these partitions"


def test_each_partition_that_is_served_has_the_regions_and_the_domain_that_botocore_knows() -> None:
    theirs = {
        (each["regionRegex"].strip("^$").replace(r"\-", "-").replace(r"\w", "[a-z]"), each["outputs"]["dnsSuffix"])
        for each in partitions()["partitions"]
        if each["id"] in SERVED
    }
    assert {(pattern.pattern, domain) for pattern, domain in environment._DOMAINS} == theirs
    assert len(theirs) == len(SERVED) > 1, "docs/policies.md names partitions of botocore's"


@pytest.mark.parametrize("region", ["", "us-east-1-fips", "aws-global", "fips-us-east-1", "us-east", "evil.example/x"])
def test_a_region_that_is_none_is_left_to_botocore(region: str) -> None:
    assert unsupported(LAMBDA | {"AWS_DEFAULT_REGION": region, "AWS_REGION": region}) == ("AWS_DEFAULT_REGION",)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_without_keys_in_the_environment_botocore_answers(name: str) -> None:
    """At a developer's terminal, for SSO and profiles; in Lambda with SnapStart, whose keys come by another way."""
    assert unsupported({**LAMBDA, name: ""}) == (name,)
    assert unsupported({key: value for key, value in LAMBDA.items() if key != name}) == (name,)


@pytest.mark.parametrize(
    ("environ", "own"),
    [
        ({"AWS_LAMBDA_FUNCTION_NAME": "f"}, True),
        ({}, False),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "HERALD_AWS_CLIENT": "botocore"}, False),
        ({"HERALD_AWS_CLIENT": "own"}, True),
    ],
)
def test_the_client_is_the_one_that_is_named_and_otherwise_ours_in_lambda_alone(
    environ: dict[str, str], own: bool
) -> None:
    assert wants_own_client(environ) is own


@pytest.mark.parametrize("value", ["", " ", "Own", "boto3", "own,botocore"])
def test_another_name_of_a_client_is_refused_with_those_that_there_are(value: str) -> None:
    with pytest.raises(SettingsError, match=f"HERALD_AWS_CLIENT is '{value}'; it holds own or botocore"):
        wants_own_client(LAMBDA | {"HERALD_AWS_CLIENT": value})


@pytest.mark.parametrize("name", BOTOCORE_ONLY)
def test_what_only_botocore_obeys_is_left_to_botocore(name: str) -> None:
    assert unsupported(LAMBDA | {name: "x"}) == (name,)


def test_botocore_has_no_variable_that_was_not_thought_of() -> None:
    """A release that adds one fails here, and somebody decides."""
    theirs: set[str] = set()
    for _, variable, *_ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values():
        theirs |= {variable} if isinstance(variable, str) else set(variable or ())
    assert theirs <= {*BOTOCORE_ONLY, *NOT_OURS, *OBEYED}
    assert not {*BOTOCORE_ONLY} & {*NOT_OURS, *OBEYED}


@pytest.mark.parametrize(
    ("environ", "authority", "secure"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "127.0.0.1:4566", False),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"}, "127.0.0.1:4566", False),
        ({"AWS_ENDPOINT_URL": "https://vpce-1.example.com"}, "vpce-1.example.com", True),
        ({"AWS_ENDPOINT_URL": "https://vpce-1.example.com:443"}, "vpce-1.example.com", True),
        ({"AWS_ENDPOINT_URL": "http://[::1]:4566"}, "[::1]:4566", False),
        ({"AWS_ENDPOINT_URL": "https://a.example", "AWS_ENDPOINT_URL_SNS": "https://b.example"}, "b.example", True),
        ({"AWS_ENDPOINT_URL_SSM": "https://b.example"}, "sns.eu-central-1.amazonaws.com", True),
    ],
)
def test_an_endpoint_may_be_named_for_all_services_or_for_one(
    environ: dict[str, str], authority: str, secure: bool
) -> None:
    found = endpoint(LAMBDA | environ, "sns", "SNS", "sns")
    assert (found.authority, found.secure) == (authority, secure)


@pytest.mark.parametrize(
    "url", ["ftp://a", "a.example", "https://a/prefix", "https://a/?x=1", "https://me@a/", "https:"]
)
def test_an_endpoint_of_another_kind_is_left_to_botocore(url: str) -> None:
    assert unsupported(LAMBDA | {"AWS_ENDPOINT_URL": url}) == ("AWS_ENDPOINT_URL",)
    assert unsupported(LAMBDA | {"AWS_ENDPOINT_URL_SNS": url}) == ("AWS_ENDPOINT_URL_SNS",)


def test_credentials_and_the_bundle_are_those_of_the_environment() -> None:
    found = endpoint(LAMBDA | {"AWS_CA_BUNDLE": "/etc/ca.pem"}, "sns", "SNS", "sns")
    it = found.credentials
    assert (it.access_key, it.secret_key, it.token) == ("ASIAEXAMPLE", "secret", "token")
    assert found.ca_bundle == "/etc/ca.pem"
    assert "secret" not in repr(it), "an error's text reaches logs"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_names_that_botocore_knows_it_by(service: str) -> None:
    _, prefix, service_id, signing_name = own_client._SERVICES[service]
    model = Session().get_service_model(service)
    assert service_id == model.service_id.hyphenize().upper().replace("-", "_")
    assert (prefix, signing_name) == (model.endpoint_prefix, model.signing_name)


def test_a_service_that_is_not_ours_is_refused_and_not_botocores() -> None:
    with pytest.raises(ValueError, match="knows no sts; add it to"):
        own_client.client("sts", LAMBDA, 1, 1, 1)

"""Which account a command reaches, and what of the person's own setup it looks at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

from ops.aws.account import account_of, environment
from ops.aws.error_messages import explain
from ops.config.loader import StageConfig
from ops.loopback import credentials
from ops.naming import AwsLocation
from tests.fakes import stage

SERVICES = ("sts", "cloudformation", "ssm", "sns", "functions", "apis", "logs", "dynamodb")
PORT = 1 + os.getpid() % 1023
"""No local stack's, as those begin at 1024: only the file with its keys is made here."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of a local AWS as far as its keys go."""
    credentials.create(PORT)
    yield f"http://127.0.0.1:{PORT}"
    credentials.remove(PORT)


def config(name: str, endpoint: str | None = None) -> StageConfig:
    local = name == "local"
    return StageConfig(
        stage(name),
        send_event=False,
        log_retention_days=30,
        rate=10,
        burst=20,
        endpoint=endpoint,
        account="000000000000" if local else None,
        region="us-east-1" if local else None,
    )


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of somebody who works with a real account, profile and files included."""
    (tmp_path / "config").write_text("[default]\nregion = eu-west-3\n[profile real]\nregion = eu-west-3\n")
    (tmp_path / "credentials").write_text("[real]\naws_access_key_id = REAL\naws_secret_access_key = REAL\n")
    environ = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_PROFILE": "of-nobody",
        "AWS_DEFAULT_PROFILE": "of-nobody",
        "AWS_SESSION_TOKEN": "REAL",
        "AWS_ACCESS_KEY_ID": "REAL",
        "AWS_SECRET_ACCESS_KEY": "REAL",
        "AWS_REGION": "eu-west-3",
        "HOME": str(tmp_path),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def test_the_local_stage_looks_at_no_profile_and_no_credentials_but_its_own(
    shell: dict[str, str], endpoint: str
) -> None:
    account = account_of(config("local", endpoint), shell)
    for service in SERVICES:
        client = getattr(account, service)
        assert client.meta.endpoint_url == endpoint, service
        assert client.meta.region_name == "us-east-1", service
        used = client._request_signer._credentials
        own = credentials.keys(endpoint)["AWS_SECRET_ACCESS_KEY"]
        assert (used.access_key, used.secret_key, used.token) == ("test", own, None), service


@pytest.mark.parametrize("profile", ["of-nobody", "real"])
def test_the_environment_of_the_process_itself_is_not_looked_at_either(
    shell: dict[str, str], monkeypatch: pytest.MonkeyPatch, profile: str, endpoint: str
) -> None:
    """botocore reads a profile from the process's environment, whatever environment it was not told of."""
    monkeypatch.setenv("AWS_PROFILE", profile)
    client = account_of(config("local", endpoint), {}).client("sqs")
    assert (client.meta.endpoint_url, client.meta.region_name) == (endpoint, "us-east-1")
    assert client._request_signer._credentials.access_key == "test"


def test_a_profile_of_the_shell_that_is_not_there_is_told(shell: dict[str, str]) -> None:
    with pytest.raises(exceptions.ProfileNotFound, match="of-nobody"):
        account_of(config("dev"), shell)


def test_another_stage_uses_the_shells_profile(shell: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "real")
    monkeypatch.delenv("AWS_REGION")
    client = account_of(config("dev"), {"AWS_PROFILE": "real"}).client("sts")
    assert client.meta.region_name == "eu-west-3"
    assert client._request_signer._credentials.access_key == "REAL"


def test_the_commands_that_run_beside_see_no_profile_or_token_either(shell: dict[str, str], endpoint: str) -> None:
    environ = environment(config("local", endpoint), shell | {"AWS_SECURITY_TOKEN": "REAL", "AWS_ROLE_ARN": "REAL"})
    assert {name: value for name, value in environ.items() if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE": shell["AWS_CONFIG_FILE"],
        "AWS_SHARED_CREDENTIALS_FILE": shell["AWS_SHARED_CREDENTIALS_FILE"],
        "AWS_ENDPOINT_URL": endpoint,
        **credentials.keys(endpoint),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def refusal(code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "m"}}, "GetCallerIdentity")


AWS = "https://sts.eu-central-1.amazonaws.com/"
LOCAL = "http://127.0.0.1:5566/"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.NoCredentialsError(), "there are no AWS credentials in this shell. Sign in (aws sso login)"),
        (exceptions.SSOTokenLoadError(error_msg="m"), "Sign in, then run this again: aws sso login"),
        (exceptions.UnauthorizedSSOTokenError(), "Sign in, then run this again: aws sso login"),
        (exceptions.LoginRefreshRequired(), "your AWS session is over"),
        (refusal("ExpiredToken"), "have expired. Sign in"),
        (refusal("ExpiredTokenException"), "have expired. Sign in"),
        (refusal("InvalidClientTokenId"), "doesn't know the access key"),
        (refusal("SignatureDoesNotMatch"), "or this machine's clock is wrong"),
        (refusal("AccessDenied"), "may not do this. Ask for the right: docs/rights.md"),
        (refusal("InternalServerError"), ""),
        (exceptions.ProfileNotFound(profile="of-nobody"), "there is no AWS profile 'of-nobody'; there are: "),
        (exceptions.NoRegionError(), "no AWS region: set AWS_REGION, such as eu-central-1"),
        (exceptions.InvalidRegionError(region_name="eu_central-1"), "did you mean eu-central-1?"),
        (exceptions.EndpointConnectionError(endpoint_url=AWS), "AWS can't be reached. Is this machine online"),
        (exceptions.ConnectTimeoutError(endpoint_url=AWS), "AWS can't be reached. Is this machine online"),
        (exceptions.ReadTimeoutError(endpoint_url=LOCAL), "no local stack at 127.0.0.1:5566. Start it: make run"),
        (ResponseParserError("m"), "what answered is not AWS. Is a proxy"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_why_aws_could_not_be_asked_is_one_sentence_with_what_to_do(error: Exception, said: str) -> None:
    assert said in str(explain(error) or "")
    assert bool(said) is (explain(error) is not None)


def test_every_call_of_s3_names_the_account_that_the_bucket_must_be_of(shell: dict[str, str], endpoint: str) -> None:
    """Whatever operation is called: each that can say it does."""
    account = account_of(config("local", endpoint), shell)
    account.where = AwsLocation("aws", "us-east-1", "123456789012")
    client = account.client("s3")
    for name in client.meta.service_model.operation_names:
        model = client.meta.service_model.operation_model(name)
        can = model.input_shape is not None and "ExpectedBucketOwner" in model.input_shape.members
        given = client._emit_api_params({"Bucket": "b"}, model, {})
        assert given.get("ExpectedBucketOwner") == ("123456789012" if can else None), name
        assert given["Bucket"] == "b", name

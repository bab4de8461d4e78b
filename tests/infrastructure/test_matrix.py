"""Every configuration, rendered for every partition: policies, templates, addresses, and who may act."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from botocore.session import Session
from chalice.awsclient import TypedAWSClient

from chalicelib.adapters.providers import kinds
from chalicelib.functions import FUNCTIONS, functions_of
from ops.aws.partitions import WITHOUT_FUNCTION_URLS, refuse_unavailable
from ops.config.loader import StageConfig
from ops.deploy import stage_addresses
from ops.errors import OpsError
from ops.generate import render
from ops.generate.check import policy_faults
from ops.naming import AwsLocation
from ops.templates import wiring
from ops.templates.resource_access import Permission, permissions
from tests.infrastructure.test_templates import cfn_lint
from tests.matrix import CHANNELS, SWITCHES, Configuration, everything, pairwise

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parent.parent.parent
ACCOUNT = "123456789012"
PLACES = [
    AwsLocation(*place, ACCOUNT)
    for place in (
        ("aws", "eu-central-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-eusc", "eusc-de-east-1"),
    )
]
PARTITIONS = [where.partition for where in PLACES]


@cache
def stages() -> dict[Configuration, StageConfig]:
    """Stage ``dev`` of every configuration."""
    with TemporaryDirectory() as folder:
        return {it: it.load(Path(folder))["dev"] for it in dict.fromkeys([*everything(), *pairwise()])}


def template_of(config: StageConfig) -> dict[str, Any]:
    return wiring.template(config.stage, with_alarms=config.alarms_to is not None, extensions=config.extensions)


@cache
def templates() -> dict[str, StageConfig]:
    """Each wiring template that any configuration renders, once, with a stage that renders it."""
    return {json.dumps(template_of(config)): config for config in stages().values()}


@cache
def policies(where: AwsLocation) -> dict[str, str]:
    """Each policy that any configuration renders, once, with its file's name."""
    return {
        text: path.name for config in stages().values() for path, text in render.policies(config.stage, where).items()
    }


# What the few that are run stand for.


def test_each_level_of_a_factor_meets_each_of_every_other_in_the_configurations_that_are_run() -> None:
    rows = [{"channels": it.channels, **{name: name in it.on for name in SWITCHES}} for it in pairwise()]
    levels = {"channels": CHANNELS, **dict.fromkeys(SWITCHES, (False, True))}
    for one, other in combinations(levels, 2):
        assert {(row[one], row[other]) for row in rows} == set(product(levels[one], levels[other])), (one, other)


def test_every_policy_of_every_configuration_is_one_of_those_that_are_run() -> None:
    """So what the recorded calls prove of sixteen configurations holds for all of them.

    X-Ray's statement, which every function has or none, is looked at by itself: with and without it.
    """
    run = {it: render.policies(stages()[it].stage, PLACES[0]) for it in pairwise()}
    untraced = {_untraced(text) for found in run.values() for text in found.values()}
    assert {_untraced(text) for text in policies(PLACES[0])} == untraced
    for spec in FUNCTIONS:
        path = render.policy_file("dev", spec.name)
        assert {"TraceRuns" in found[path] for found in run.values() if path in found} == {True, False}, spec.name


def _untraced(text: str) -> str:
    document = json.loads(text)
    return json.dumps([each for each in document["Statement"] if each["Sid"] != "TraceRuns"])


def test_every_function_and_grant_is_needed_in_some_configuration_and_each_condition_is_also_not_met() -> None:
    """Whoever makes a grant depend on a new key of herald.toml adds a factor to tests/matrix.py."""
    found = [config.stage for config in stages().values()]
    for spec in FUNCTIONS:
        having = [stage for stage in found if spec in functions_of(stage)]
        assert having, spec.name
        for grant in spec.all_grants:
            assert any(grant.needed(stage) for stage in having), (spec.name, grant.sid)
    always = {spec.name for spec in FUNCTIONS if all(spec in functions_of(stage) for stage in found)}
    optional = ("get_message_url", "inbox", "canary", "digest", "examine", "autoreply")
    assert {spec.name for spec in FUNCTIONS} - always == {*(f"notify_{kind}" for kind in kinds()), *optional}


# Faults.


def test_parliament_finds_no_fault_in_any_policy_of_any_configuration() -> None:
    """That those of other partitions differ by its name alone is shown below."""
    found = policies(PLACES[0])
    assert len(found) > len(FUNCTIONS)
    assert [(name, fault) for text, name in found.items() for fault in policy_faults(text)] == []


def test_cfn_lint_finds_nothing_in_any_resource_of_any_configuration_for_any_partition(tmp_path: Path) -> None:
    """But for function URLs, which GovCloud doesn't have: ops/aws/partitions.py refuses them there."""
    seen: set[str] = set()
    with_url = set()
    for number, (text, config) in enumerate(templates().items()):
        resources = {json.dumps(each) for each in json.loads(text)["Resources"].items()}
        if not resources <= seen:  # One template for each that a configuration adds will do.
            seen |= resources
            path = tmp_path / f"wiring-{number}.yaml"
            path.write_text(render._yaml(json.loads(text)), encoding="utf-8")
            with_url |= {path.name} if config.stage.function_url or config.stage.inbox else set()
    paths = [*tmp_path.iterdir(), ROOT / "infra/data.yaml", ROOT / "infra/foundation.yaml"]
    found = cfn_lint(*paths, regions=[where.region for where in PLACES]).stdout.splitlines()
    missing = "E3006:Resource type 'AWS::Lambda::Url' does not exist in 'us-gov-west-1'"
    assert [line for line in found if not line.endswith(missing)] == []
    assert {Path(line.partition(":")[0]).name for line in found} == with_url


@pytest.mark.parametrize("where", PLACES, ids=PARTITIONS)
def test_nobody_is_let_in_by_a_wildcard(where: AwsLocation) -> None:
    for it in everyone_let_in(where):
        # Everybody may ask the inbox in the pocket, which knows its owners itself.
        is_inbox = it.on.endswith(":function:herald-dev-inbox") and it.who == "*"
        assert it.effect == "Deny" or "*" not in ((it.who, *it.actions) if not is_inbox else it.actions)
        # As AWS ends the ARN of a log group.
        assert it.effect == "Deny" or "*" not in it.on.replace(":log-group:/aws/events/forms:*", "")


@cache
def everyone_let_in(where: AwsLocation) -> set[Permission]:
    return {each for config in stages().values() for each in permissions(ROOT, config, where)}


# Partitions.

ARN = re.compile(r"\barn:[^\s\"',;]+")


@pytest.mark.parametrize("where", PLACES, ids=PARTITIONS)
def test_every_arn_is_of_its_partition_region_and_account(where: AwsLocation) -> None:
    texts = [*policies(where), *(f"{it.who} {it.on} {it.only}" for it in everyone_let_in(where))]
    found = {arn for text in texts for arn in ARN.findall(text)}
    assert len(found) > 30
    for arn in found:
        _, partition, service, region, account, _ = arn.split(":", 5)
        assert partition == where.partition, arn
        # A bucket's ARN names neither; their names do, or end in an id of the stack.
        assert account == ("" if service == "s3" else ACCOUNT), arn
        assert service != "s3" or f"-{ACCOUNT}-{where.region}" in arn or f"-releases-{ACCOUNT}-" in arn
        assert region == ("" if service in ("iam", "s3") else where.region), arn


def test_no_template_names_a_partition_a_region_or_an_account() -> None:
    written = [(ROOT / f"infra/{name}.yaml").read_text(encoding="utf-8") for name in ("data", "foundation")]
    session = Session()
    regions = {region for name in PARTITIONS for region in session.get_available_regions("lambda", name)}
    for text in [*templates(), *written]:
        assert len(re.findall(r"\barn:", text)) == text.count("arn:${AWS::Partition}:")
        assert not [region for region in regions if region in text]
        assert not re.search(r"\b\d{12}\b", text)


@pytest.mark.parametrize("where", PLACES, ids=PARTITIONS)
def test_every_service_acts_under_the_name_that_it_has_in_the_partition(where: AwsLocation) -> None:
    """The authority is Chalice's table, which is that of the AWS CDK. Of what Herald names none differs in China."""
    suffix = dns_suffix(where)
    found = {who for it in everyone_let_in(where) for who in it.who.split(", ") if "amazonaws" in who}
    # Chalice's table lacks CloudWatch's deliveries.
    found.remove("delivery.logs.amazonaws.com")
    assert found == {f"{service}.amazonaws.com" for service in ("apigateway", "sns", "events", "cloudwatch")}
    table = TypedAWSClient(Session())
    for who in found:
        assert table.service_principal(who.partition(".")[0], where.region, suffix) == who


def dns_suffix(where: AwsLocation) -> str:
    found: list[dict[str, Any]] = Session().get_component("data_loader").load_data("partitions")["partitions"]
    return next(str(each["outputs"]["dnsSuffix"]) for each in found if each["id"] == where.partition)


@pytest.mark.parametrize(
    ("where", "domain"),
    [*zip(PLACES, ("amazonaws.com", "amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"), strict=True)],
    ids=PARTITIONS,
)
def test_an_api_has_the_domain_of_its_partition(where: AwsLocation, domain: str) -> None:
    assert stage_addresses.rest_api(where, "abc") == f"https://abc.execute-api.{where.region}.{domain}/api"


@pytest.mark.parametrize(
    ("where", "urls", "ses"),
    [
        *zip(PLACES, (True, False, False, True), ("has", "has", "lacks", "has"), strict=True),
        (AwsLocation("aws", "eu-central-2", ACCOUNT), False, "has"),
        (AwsLocation("aws", "mx-central-1", ACCOUNT), True, "may lack"),
    ],
    ids=[*PARTITIONS, "eu-central-2", "mx-central-1"],
)
def test_what_a_partition_or_region_lacks_is_said_before_anything_is_deployed(
    where: AwsLocation, urls: bool, ses: str
) -> None:
    """A region that has no SES by botocore's list may have it by now, so that is only reported."""
    for it, config in stages().items():
        message = ""
        reported: list[str] = []
        try:
            refuse_unavailable(config, where, reported.append)
        except OpsError as error:
            message = str(error)
            assert message.startswith(f"stage dev in {where.region}: AWS ")
        wants_url = bool(it.on & {"function_url", "files"})  # With files there is an inbox in the pocket.
        assert ("function URLs" in message) == (wants_url and not urls)
        assert ("X-Ray" in message) == (where.partition == "aws-cn" and "xray" in it.on)
        senders = {
            "channels of kind email": it.channels in ("email", "all"),
            "autoreply": "captcha_and_autoreply" in it.on,
        }
        for sender, wanted in senders.items():
            assert (f"SES there: take {sender}" in message) == (wanted and ses == "lacks")
            assert (f"{sender} will send nothing, unless" in "".join(reported)) == (wanted and ses == "may lack")
        assert all(f" not in {where.region}, as botocore " in line for line in reported)


def test_the_local_aws_has_ses_whatever_its_region(tmp_path: Path) -> None:
    config = Configuration("email", frozenset({"captcha_and_autoreply"})).load(tmp_path)["local"]
    refuse_unavailable(config, AwsLocation("aws-cn", "cn-north-1", ACCOUNT), pytest.fail)
    refuse_unavailable(config, AwsLocation("aws", "mx-central-1", ACCOUNT), pytest.fail)


def test_each_region_without_function_urls_is_one_of_aws() -> None:
    """Beyond what is written down, ``urls-configuration.html`` alone knows."""
    assert set(Session().get_available_regions("lambda")) >= WITHOUT_FUNCTION_URLS


def test_botocore_knows_no_region_of_china_with_ses_and_every_other_service_there() -> None:
    """Where one comes, ops/aws/partitions.py and docs/policies.md have something to take back."""
    services = (
        *("sesv2", "sns", "sqs", "events", "lambda", "apigateway"),
        *("dynamodb", "ssm", "logs", "cloudwatch", "xray"),
    )
    session = Session()
    for where, service in product(PLACES, services):
        there = where.region in session.get_available_regions(service, where.partition)
        assert there == ((where.partition, service) != ("aws-cn", "sesv2")), (where.region, service)


def test_a_policy_is_the_same_in_every_partition_but_for_its_name() -> None:
    def unnamed(where: AwsLocation) -> set[tuple[str, str]]:
        return {
            (text.replace(where.region, "").replace(f"arn:{where.partition}:", "arn:"), name)
            for text, name in policies(where).items()
        }

    assert all(unnamed(where) == unnamed(PLACES[0]) for where in PLACES[1:])

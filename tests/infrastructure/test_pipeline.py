"""The pipeline: its roles may do what a deployment of their stage does, and its workflow gives them to nobody else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from ministack.core import iam_evaluator
from ministack.services.cloudformation import engine

from chalicelib.function_spec import FunctionSpec
from chalicelib.functions import functions_of
from chalicelib.settings import Stage
from ops.aws import github_sign_in
from ops.config.loader import ConfigError, load
from ops.config.schema import DomainTable
from ops.generate import rights_page
from ops.generate.check import policy_faults
from ops.naming import AwsLocation
from ops.templates import pipeline_roles, resource_access, wiring
from ops.templates.function_policies import policy
from tests.matrix import Configuration, everything, pairwise
from tests.own_functions import OWN, with_own

ROOT = Path(__file__).resolve().parent.parent.parent
STAGE = load(ROOT)["dev"].stage._replace(functions=())
OWNERS = with_own(STAGE)
WHERE = AwsLocation("aws", "eu-central-1", "123456789012")
WORKFLOW = ROOT / ".github" / "workflows" / "deploy.yml"
WITHOUT_A_NAME = {
    "Apis": "AWS chooses the ids of APIs",
    "ReadApis": "the same",
    "Subscriptions": "SNS knows no resource for these actions",
    "FindLogGroups": "a list can be asked for as a whole alone, and holds names",
    "ReadLogGroups": "the same",
    "SavedQueries": "CloudWatch Logs knows no resource for these actions",
    "RoleOfApiGateway": "an account has one, and AWS names it",
}
OF_OWN_FUNCTIONS = {
    "MakeMappings": "Lambda knows no resource for what is not yet made; its condition names the stage's functions",
    "Mappings": "AWS chooses their ids; its condition names the stage's functions",
    "MappingsTags": "AWS chooses the ids of mappings, and has no condition for their functions",
    **dict.fromkeys(
        ("SourceBuckets", "SourceQueues", "SourceTopics", "SourceTables", "SourceStreams", "FindStreams"),
        "the owner's own, by its whole name",
    ),
}
"""The same for what functions of the owner's own add."""
"""Statements whose resources no name of the stage limits, and why."""


def resolved(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = json.dumps(statements)
    for name, value in (("Partition", WHERE.partition), ("Region", WHERE.region), ("AccountId", WHERE.account)):
        text = text.replace(f"${{AWS::{name}}}", value)
    here: list[dict[str, Any]] = json.loads(text)
    return here


ROLES = {"deploy": resolved(pipeline_roles.deploying(STAGE)), "diff": resolved(pipeline_roles.comparing(STAGE))}
WITH_OWN = {
    "deploy": resolved([*pipeline_roles.deploying(OWNERS), *pipeline_roles.deploying_more(OWNERS, own_functions=OWN)]),
    "diff": resolved(pipeline_roles.comparing(OWNERS, OWN)),
    "boundary": resolved(pipeline_roles.bounding(OWNERS, OWN)),
}
"""The same where the owner has functions of their own, with every kind of trigger."""
BOUNDARY = resolved(pipeline_roles.bounding(STAGE))


def allows(
    statements: list[dict[str, Any]],
    action: str,
    resource: str,
    within: list[dict[str, Any]] | None = None,
    **keys: str | list[str],
) -> bool:
    """What an IAM that is not ours says to a call; ``keys`` are condition keys, ``_`` for their colon."""
    context = iam_evaluator.EvalContext(
        principal_arn="arn:aws:sts::123456789012:assumed-role/some/session",
        principal_type="AssumedRole",
        principal_account=WHERE.account,
        action=action,
        resource_arn=resource,
        region=WHERE.region,
        service_context={key.replace("_", ":").lower(): value for key, value in keys.items()},
    )
    layers = [
        [iam_evaluator.parse_policy_document({"Version": "2012-10-17", "Statement": each})]
        for each in (statements, within)
        if each is not None
    ]
    return bool(iam_evaluator.evaluate(context, *layers).decision == "Allow")


WRONGLY_FOUND = {
    "a resource with a wildcard": "WITHOUT_A_NAME and the next test look at those",
    "UNKNOWN_ACTION Unknown action s3:GetBucketAbac": "it is newer than parliament's list",
    "'action': 'dynamodb:GetResourcePolicy', 'required_format'": "it works on a table or a stream, and not on both",
    "MISMATCHED_TYPE_BUT_USABLE Type mismatch: StringEquals requires": (
        "as AWS writes it: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"
    ),
}


@pytest.mark.parametrize("role", WITH_OWN)
def test_parliament_knows_every_action_and_its_resource(role: str) -> None:
    faults = policy_faults(json.dumps({"Version": "2012-10-17", "Statement": WITH_OWN[role]}))
    assert [fault for fault in faults if not any(known in fault for known in WRONGLY_FOUND)] == []
    sids = [statement["Sid"] for statement in WITH_OWN[role]]
    assert len(sids) == len(set(sids))


@pytest.mark.parametrize(
    ("roles", "without_a_name"), [(ROLES, WITHOUT_A_NAME), (WITH_OWN, WITHOUT_A_NAME | OF_OWN_FUNCTIONS)]
)
@pytest.mark.parametrize("role", ROLES)
def test_every_resource_is_the_stages_own(
    roles: dict[str, list[dict[str, Any]]], without_a_name: dict[str, str], role: str
) -> None:
    for statement in roles[role]:
        own = all(re.search(r"[:/]herald(-|/)(boundary-)?dev\b", arn) for arn in statement["Resource"])
        assert own != (statement["Sid"] in without_a_name), statement


MAPPING = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:0a1b2c3d"


@pytest.mark.parametrize(("does", "resource"), [("Create", "*"), ("Update", MAPPING), ("Delete", MAPPING)])
def test_the_pipeline_maps_sources_to_functions_of_the_stage_alone(does: str, resource: str) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html"""
    action, function = f"lambda:{does}EventSourceMapping", "arn:aws:lambda:eu-central-1:123456789012:function:herald"
    assert allows(WITH_OWN["deploy"], action, resource, lambda_FunctionArn=f"{function}-dev-tested_sqs")
    assert not allows(WITH_OWN["deploy"], action, resource, lambda_FunctionArn=f"{function}-prod-tested_sqs")
    assert not allows(ROLES["deploy"], action, resource, lambda_FunctionArn=f"{function}-dev-tested_sqs")


def test_comparing_reads_the_rules_of_the_default_bus_and_the_streams_that_triggers_need() -> None:
    rule = "arn:aws:events:eu-central-1:123456789012:rule/herald-dev-tested_s3"
    table = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"
    for action, resource in (("events:DescribeRule", rule), ("dynamodb:DescribeTable", table)):
        assert allows(WITH_OWN["diff"], action, resource)
        assert not allows(ROLES["diff"], action, resource)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "other",
    [
        "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev2",
        "arn:aws:lambda:eu-central-1:123456789012:function:herald-prod-destined",
        "arn:aws:iam::123456789012:role/herald-dev2-destined",
        "arn:aws:iam::123456789012:role/herald-deploy-dev",
        "arn:aws:iam::123456789012:role/herald-diff-dev",
        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/herald-dev2",
        "arn:aws:ssm:eu-central-1:123456789012:parameter/herald/dev/pushover/token",
        "arn:aws:ssm:eu-central-1:123456789012:parameter/herald/dev2/deployed",
        "arn:aws:dynamodb:eu-central-1:123456789012:table/herald-dev2-messages",
        "arn:aws:s3:::herald-dev2-releases-123456789012-eu-central-1",
        "arn:aws:cloudformation:eu-central-1:123456789012:stack/herald-dev2-data/1",
        "arn:aws:events:eu-central-1:123456789012:event-bus/herald-dev2",
    ],
)
def test_another_stage_the_roles_themselves_and_secrets_are_out_of_reach(role: str, other: str) -> None:
    reached = [
        statement["Sid"]
        for statement in ROLES[role]
        if statement["Sid"] not in WITHOUT_A_NAME and any(fnmatchcase(other, arn) for arn in statement["Resource"])
    ]
    assert reached == []


def test_the_role_of_a_pull_request_only_reads() -> None:
    actions = {action.partition(":")[2] for statement in ROLES["diff"] for action in statement["Action"]}
    assert {action for action in actions if not action.startswith(("Get", "Describe", "GET"))} == set()


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("dynamodb:DeleteTable", "arn:aws:dynamodb:eu-central-1:123456789012:table/herald-dev-messages"),
        ("sqs:DeleteQueue", "arn:aws:sqs:eu-central-1:123456789012:herald-dev-failed-events"),
        ("events:DeleteEventBus", "arn:aws:events:eu-central-1:123456789012:event-bus/herald-dev"),
        ("s3:DeleteBucket", f"arn:aws:s3:::herald-dev-releases-{WHERE.account}-{WHERE.region}"),
    ],
)
def test_what_holds_messages_is_deleted_through_cloudformation_alone(action: str, resource: str) -> None:
    assert not allows(ROLES["deploy"], action, resource)
    assert not allows(ROLES["deploy"], action, resource, aws_CalledVia=["athena.amazonaws.com"])
    assert allows(ROLES["deploy"], action, resource, aws_CalledVia=["cloudformation.amazonaws.com"])


def test_the_first_api_or_domain_of_an_account_may_bring_api_gateways_own_role_and_no_other() -> None:
    """Else making it fails: https://github.com/amplify-education/serverless-domain-manager/issues/112"""
    action, gateway = "iam:CreateServiceLinkedRole", "ops.apigateway.amazonaws.com"
    role = f"arn:aws:iam::123456789012:role/aws-service-role/{gateway}/AWSServiceRoleForAPIGateway"
    assert allows(ROLES["deploy"], action, role, iam_AWSServiceName=gateway)
    assert not allows(ROLES["deploy"], action, role, iam_AWSServiceName="ecs.amazonaws.com")
    other = "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    assert not allows(ROLES["deploy"], action, other, iam_AWSServiceName="ecs.amazonaws.com")


def test_no_pipeline_deletes_logs() -> None:
    assert "logs:DeleteLogGroup" not in {action for statement in ROLES["deploy"] for action in statement["Action"]}


# What CloudFormation does for its caller


NOT_SET = {
    ("AWS::ApiGateway::RestApi", "Policy"): "apigateway:UpdateRestApiPolicy",
    ("AWS::DynamoDB::Table", "ContributorInsightsSpecification"): "dynamodb:UpdateContributorInsights",
    ("AWS::DynamoDB::Table", "ImportSourceSpecification"): (
        "dynamodb:ImportTable dynamodb:DescribeImport logs:* s3:GetObjectMetadata s3:ListBucket"
    ),
    ("AWS::DynamoDB::Table", "KinesisStreamSpecification"): (
        "kinesis:* dynamodb:EnableKinesisStreamingDestination dynamodb:DisableKinesisStreamingDestination"
        " dynamodb:UpdateKinesisStreamingDestination iam:CreateServiceLinkedRole"
    ),
    ("AWS::DynamoDB::Table", "Replicas"): (
        "dynamodb:*TableReplica dynamodb:Scan dynamodb:Query dynamodb:*Item iam:CreateServiceLinkedRole"
    ),
    ("AWS::DynamoDB::Table", "ResourcePolicy"): "dynamodb:PutResourcePolicy dynamodb:DeleteResourcePolicy",
    ("AWS::DynamoDB::Table", "SSESpecification"): "kms:*",
    ("AWS::Events::EventBus", "KmsKeyIdentifier"): "kms:*",
    ("AWS::Events::EventBus", "Policy"): "events:PutPermission events:RemovePermission",
    ("AWS::IAM::ManagedPolicy", "Groups"): "iam:AttachGroupPolicy iam:DetachGroupPolicy",
    ("AWS::IAM::ManagedPolicy", "Users"): "iam:AttachUserPolicy iam:DetachUserPolicy",
    ("AWS::IAM::Role", "ManagedPolicyArns"): "iam:AttachRolePolicy iam:DetachRolePolicy",
    ("AWS::S3::Bucket", "AbacStatus"): "s3:PutBucketAbac",
    ("AWS::S3::Bucket", "AccelerateConfiguration"): "s3:PutAccelerateConfiguration",
    ("AWS::S3::Bucket", "AccessControl"): "s3:PutObjectAcl s3:PutBucketAcl s3:GetBucketAcl",
    ("AWS::S3::Bucket", "AnalyticsConfigurations"): (
        "s3:PutAnalyticsConfiguration s3:DeleteBucketAnalyticsConfiguration"
    ),
    ("AWS::S3::Bucket", "CorsConfiguration"): "s3:PutBucketCORS s3:DeleteBucketCors",
    ("AWS::S3::Bucket", "IntelligentTieringConfigurations"): "s3:PutIntelligentTieringConfiguration",
    ("AWS::S3::Bucket", "InventoryConfigurations"): "s3:PutInventoryConfiguration",
    ("AWS::S3::Bucket", "LifecycleConfiguration"): "s3:PutLifecycleConfiguration s3:DeleteBucketLifecycle",
    ("AWS::S3::Bucket", "LoggingConfiguration"): "s3:PutBucketLogging",
    ("AWS::S3::Bucket", "MetadataConfiguration"): "s3:*BucketMetadata* s3tables:*",
    ("AWS::S3::Bucket", "MetadataTableConfiguration"): "s3:*BucketMetadata* s3tables:*",
    ("AWS::S3::Bucket", "MetricsConfigurations"): "s3:PutMetricsConfiguration s3:DeleteBucketMetricsConfiguration",
    ("AWS::S3::Bucket", "NotificationConfiguration"): "s3:PutBucketNotification",
    ("AWS::S3::Bucket", "ObjectLockConfiguration"): "s3:Put*ObjectLockConfiguration",
    ("AWS::S3::Bucket", "OwnershipControls"): "s3:PutBucketOwnershipControls",
    ("AWS::S3::Bucket", "ReplicationConfiguration"): (
        "s3:PutReplicationConfiguration s3:PutBucketReplication s3:DeleteBucketReplication"
    ),
    ("AWS::S3::Bucket", "VersioningConfiguration"): "s3:PutBucketVersioning",
    ("AWS::S3::Bucket", "WebsiteConfiguration"): "s3:PutBucketWebsite s3:DeleteBucketWebsite",
    ("AWS::SNS::Topic", "DataProtectionPolicy"): "sns:PutDataProtectionPolicy",
}
"""Properties that no template sets, and the actions that CloudFormation makes, changes or deletes them by."""
NEVER = {
    ("AWS::IAM::Role", "iam:DeleteRolePermissionsBoundary"): "no role leaves its boundary",
    ("AWS::S3::Bucket", "s3:DeleteBucketEncryption"): "what is kept stays encrypted",
    ("AWS::S3::Bucket", "s3:DeleteBucketTagging"): "IAM has no such action: who may put tags may delete them",
}
ADMINISTRATORS = {
    "AWS::IAM::ManagedPolicy": "grants are attached to roles of any name: docs/pipeline.md, What the roles may do",
    "AWS::Logs::ResourcePolicy": "log groups that rules write to have names of the owner's: the same page",
}
"""Types whose resources no name of the stage limits: who uses them adds the rights for names of their own, which
docs/rights.md lists by hand."""


def in_templates(folder: Path) -> dict[str, set[str]]:
    """Every type of a stage's templates with all that can be on, and the properties that are set of it."""
    found: dict[str, set[str]] = defaultdict(set)
    config = everything()[0].load(folder)["dev"]
    for template in (
        resource_access.read(ROOT / resource_access.DATA),
        resource_access.read(ROOT / resource_access.FOUNDATION),
        wiring.template(config.stage, with_alarms=True, extensions=config.extensions),
    ):
        for resource in template["Resources"].values():
            found[resource["Type"]] |= set(resource["Properties"])
    return found


def schema(kind: str) -> dict[str, Any]:
    """CloudFormation's own description of a resource type, as cfn-lint brings it."""
    schemas = files("cfnlint") / "data" / "schemas"
    names = json.loads((schemas / "providers" / "us-east-1.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads((schemas / "resources" / f"{names[kind]}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.full
def test_the_deploying_role_or_the_page_of_rights_has_what_cloudformation_s_handlers_need(tmp_path: Path) -> None:
    """What a handler reads is needed whatever is set. Conditions and resources of the statements aren't looked at."""
    role = {action for statement in ROLES["deploy"] for action in statement["Action"]}
    cells = re.findall(r"`([a-z0-9]+)`: ([A-Za-z, ]+)", (ROOT / rights_page.PAGE).read_text(encoding="utf-8"))
    page = {f"{service}:{name}" for service, names in cells for name in names.strip().split(", ")}
    used = in_templates(tmp_path)
    missing = []
    for kind in used:
        has = page if kind in ADMINISTRATORS else role
        described = schema(kind)
        needed = {(action, "tag") for action in described.get("tagging", {}).get("permissions", [])}
        needed |= {
            (action, does)
            for does in ("create", "read", "update", "delete")
            for action in described["handlers"].get(does, {}).get("permissions", [])
        }
        for action, does in sorted(needed):
            spared = does != "read" and any(
                fnmatchcase(action, pattern)
                for (type_, name), patterns in NOT_SET.items()
                if type_ == kind and name not in used[kind]
                for pattern in patterns.split()
            )
            if action not in has and not spared and (kind, action) not in NEVER:
                missing.append(f"{kind} {does}: {action}")
    assert missing == []


# The boundary


def refused_within(
    boundary: list[dict[str, Any]], specs: Iterable[FunctionSpec], stage: Stage
) -> list[tuple[str, str, str]]:
    """What the policies of these functions allow and the boundary does not."""
    return [
        (spec.name, action, resource)
        for spec in specs
        for statement in policy(spec, stage, WHERE)["Statement"]
        for action, resource in product(statement["Action"], statement["Resource"])
        if not allows(boundary, action, resource)
    ]


@pytest.mark.parametrize("configuration", pairwise(), ids=str)
def test_every_function_can_do_within_the_boundary_what_its_policy_says(
    configuration: Configuration, tmp_path: Path
) -> None:
    stage = configuration.load(tmp_path)["dev"].stage
    assert refused_within(BOUNDARY, functions_of(stage), stage) == []


def test_functions_of_the_owners_own_can_do_within_the_boundary_what_their_policies_say() -> None:
    assert refused_within(WITH_OWN["boundary"], OWN, OWNERS) == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("dynamodb:GetItem", "arn:aws:dynamodb:eu-central-1:123456789012:table/herald-dev2-messages"),
        ("dynamodb:DeleteTable", "arn:aws:dynamodb:eu-central-1:123456789012:table/herald-dev-messages"),
        ("ssm:GetParameters", "arn:aws:ssm:eu-central-1:123456789012:parameter/herald/prod/pushover/token"),
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev2"),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-destined"),
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/herald-dev-destined"),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/herald-deploy-dev"),
        ("s3:GetObject", "arn:aws:s3:::somebody-s/secrets"),
    ],
)
def test_no_role_can_do_more_than_the_boundary_whatever_its_policy_says(action: str, resource: str) -> None:
    anything = [{"Sid": "All", "Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]
    assert allows(anything, action, resource)
    assert not allows(anything, action, resource, BOUNDARY)


def test_roles_of_the_owners_rules_can_do_within_the_boundary_what_their_policies_say(tmp_path: Path) -> None:
    """And no other role can start what the rules start, where no rule does."""
    config = everything()[0].load(tmp_path)["dev"]
    rendered = pipeline_roles.template(config.stage, rules=config.extensions.rules)["Resources"]["Boundary"]
    documents = {"boundary": rendered["Properties"]["PolicyDocument"]}
    wired = wiring.template(config.stage, with_alarms=True, extensions=config.extensions)["Resources"].values()
    for role in (each["Properties"] for each in wired if each["Type"] == "AWS::IAM::Role"):
        documents[role["RoleName"]] = role["Policies"][0]["PolicyDocument"]
    found = {name: resolved(document["Statement"]) for name, document in documents.items()}
    within = plain(found.pop("boundary"))
    sent = set()
    for (statement,) in map(plain, found.values()):
        (action,), (resource,) = statement["Action"], statement["Resource"]
        sent.add(action)
        assert allows(within, action, resource)
        assert not allows(within, action, f"{resource}2")
        assert not allows(BOUNDARY, action, resource)
    assert sent == {"states:StartExecution", "events:PutEvents"}


def plain(value: Any) -> Any:
    """Without ``Fn::Sub``, whose parameters :func:`resolved` has filled in."""
    if isinstance(value, dict):
        return plain(value["Fn::Sub"]) if "Fn::Sub" in value else {key: plain(part) for key, part in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("service", ["lambda", "apigateway", "events"])
def test_the_pipeline_hands_roles_of_the_stage_to_what_runs_by_them_alone(service: str) -> None:
    role = "arn:aws:iam::123456789012:role/herald-dev-rule-machine"
    assert allows(ROLES["deploy"], "iam:PassRole", role, iam_PassedToService=f"{service}.amazonaws.com")
    assert not allows(ROLES["deploy"], "iam:PassRole", role, iam_PassedToService="ec2.amazonaws.com")


def test_within_the_boundary_secrets_are_decrypted_through_parameter_store_alone() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
    assert allows(BOUNDARY, "kms:Decrypt", key, kms_ViaService="ssm.eu-central-1.amazonaws.com")
    assert not allows(BOUNDARY, "kms:Decrypt", key, kms_ViaService="s3.eu-central-1.amazonaws.com")
    assert not allows(BOUNDARY, "kms:Decrypt", key)


@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"])
def test_the_pipeline_gives_rights_to_roles_within_the_boundary_alone(action: str) -> None:
    role, boundary = "arn:aws:iam::123456789012:role/herald-dev-destined", pipeline_roles.boundary(STAGE, WHERE)
    assert allows(ROLES["deploy"], action, role, iam_PermissionsBoundary=boundary)
    assert not allows(ROLES["deploy"], action, role)
    other = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert not allows(ROLES["deploy"], action, role, iam_PermissionsBoundary=other)
    away = "arn:aws:iam::123456789012:role/herald-deploy-dev"
    assert not allows(ROLES["deploy"], action, away, iam_PermissionsBoundary=boundary)


def test_each_role_of_the_stages_own_templates_stands_within_the_boundary() -> None:
    foundation = resource_access.read(ROOT / resource_access.FOUNDATION)
    roles = [each["Properties"] for each in foundation["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    assert [each["PermissionsBoundary"] for each in roles] == [
        {"Fn::If": ["HasBoundary", {"Ref": "RoleBoundary"}, {"Ref": "AWS::NoValue"}]}
    ]


@pytest.mark.parametrize(
    "action",
    [
        *("DeleteRolePermissionsBoundary", "AttachRolePolicy", "SetDefaultPolicyVersion"),
        *("CreatePolicy", "CreatePolicyVersion", "DeletePolicy"),
    ],
)
def test_the_pipeline_can_neither_change_the_boundary_nor_take_it_away(action: str) -> None:
    boundary = pipeline_roles.boundary(STAGE, WHERE)
    for resource in (boundary, "arn:aws:iam::123456789012:role/herald-dev-destined"):
        assert not allows(ROLES["deploy"], f"iam:{action}", resource, iam_PermissionsBoundary=boundary)


# Whom the roles let in


def trust_policy(role: str, **parameters: str) -> dict[str, Any]:
    """As a CloudFormation that is not ours makes it of the template."""
    template = pipeline_roles.template(STAGE)
    given = engine._resolve_parameters(
        template, [{"Key": key, "Value": value} for key, value in ({"Repository": "Owner/na.me"} | parameters).items()]
    )
    conditions = engine._evaluate_conditions(template, given)
    document: dict[str, Any] = engine._resolve_refs(
        template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"], {}, given, conditions, {}, "stack", "id"
    )
    return document


def trusts(role: str, claims: dict[str, str], **parameters: str) -> bool:
    """What an STS that is not ours says to a token's claims, where the template was deployed with some parameters."""
    document = trust_policy(role, **parameters)
    (statement,) = document["Statement"]
    context = iam_evaluator.EvalContext(
        principal_arn=statement["Principal"]["Federated"],
        principal_type="WebIdentityUser",
        principal_account=WHERE.account,
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn="*",
        region=WHERE.region,
        service_context={f"token.actions.githubusercontent.com:{claim}": value for claim, value in claims.items()},
    )
    return bool(iam_evaluator.evaluate_trust_policy(document, statement["Principal"]["Federated"], context))


def deploying(subject: str, **other: str) -> dict[str, str]:
    """The claims of a token for a deployment. https://docs.github.com/en/actions/reference/security/oidc"""
    token = {"aud": "sts.amazonaws.com", "repository": "Owner/na.me", "environment": "dev", "ref": "refs/heads/main"}
    return token | {"sub": subject} | other


IDS = "123/4567"
OLD, NEW = "repo:Owner/na.me:environment:dev", "repo:Owner@123/na.me@4567:environment:dev"


@pytest.mark.parametrize(
    ("subject", "ids", "may"),
    [
        (OLD, "", True),
        (NEW, "", True),
        (NEW, IDS, True),
        (OLD, IDS, False),
        (NEW.replace("123", "124"), IDS, False),
        (NEW.replace("4567", "45678"), IDS, False),
    ],
)
def test_old_and_new_subjects_of_the_repository_may_deploy_and_with_ids_no_other(
    subject: str, ids: str, may: bool
) -> None:
    assert trusts("Deploy", deploying(subject), RepositoryIds=ids) is may


EVIL = {"repository": "Owner/evil"}
HOSTILE = {
    "another repository of the owner": deploying("repo:Owner@123/evil@9:environment:dev", **EVIL),
    # Whose template for subjects puts the branch before the environment.
    "a branch that looks like the repository": deploying(
        "repo:Owner@123/evil@9:ref:refs/heads/x/na.me@4567:environment:dev", **EVIL
    ),
    "an environment that looks like one": deploying(
        "repo:Owner@123/evil@9:environment:x/na.me@4567:environment:dev", **EVIL
    ),
    "an owner whose name begins the same": deploying(
        "repo:Owner2@9/na.me@9:environment:dev", repository="Owner2/na.me"
    ),
    "a repository whose name begins the same": deploying(
        "repo:Owner@123/na.me2@9:environment:dev", repository="Owner/na.me2"
    ),
    "a dot that stands for another letter": deploying("repo:Owner/naxme:environment:dev", repository="Owner/naxme"),
    "another environment": deploying("repo:Owner@123/na.me@4567:environment:prod", environment="prod"),
    "an environment that ends the same": deploying(
        "repo:Owner@123/na.me@4567:environment:x:environment:dev", environment="x:environment:dev"
    ),
    "another branch": deploying(NEW, ref="refs/heads/feature"),
    "a tag of the branch's name": deploying(NEW, ref="refs/tags/main"),
    "a pull request's code": deploying(NEW, ref="refs/pull/1/merge"),
    "no environment": deploying("repo:Owner@123/na.me@4567:ref:refs/heads/main", environment=""),
    "another audience": deploying(NEW, aud="https://github.com/Owner"),
}


@pytest.mark.parametrize("who", HOSTILE)
@pytest.mark.parametrize("ids", ["", IDS])
def test_nobody_else_may_deploy(who: str, ids: str) -> None:
    assert not trusts("Deploy", HOSTILE[who], RepositoryIds=ids)


@pytest.mark.parametrize("claim", ["aud", "sub", "repository", "environment", "ref"])
def test_a_token_without_a_claim_may_not_deploy(claim: str) -> None:
    token = deploying(NEW)
    del token[claim]
    assert not trusts("Deploy", token)


@pytest.mark.parametrize("subject", ["repo:Owner/na.me:pull_request", "repo:Owner@123/na.me@4567:pull_request"])
def test_pull_requests_of_the_repository_are_compared_and_no_others(subject: str) -> None:
    token = {"aud": "sts.amazonaws.com", "repository": "Owner/na.me", "sub": subject, "ref": "refs/pull/1/merge"}
    assert trusts("Compare", token)
    assert trusts("Compare", token, RepositoryIds=IDS) == ("@" in subject)
    assert not trusts("Compare", token | EVIL)
    assert not trusts("Compare", token | {"sub": "repo:Owner@123/evil@9:ref:refs/heads/x/na.me@1:pull_request"} | EVIL)
    assert not trusts("Compare", token | {"sub": "repo:Owner@123/na.me@4567:ref:refs/heads/main"})
    assert not trusts("Deploy", token)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("Repository", "Owner/*"),
        ("Repository", "*/na.me"),
        ("Repository", "Owner/na?me"),
        ("Repository", "Owner/na.me:x"),
        ("Repository", "Owner@1/na.me@2"),
        ("Repository", "Owner/na.me/x"),
        ("Repository", "na.me"),
        ("RepositoryIds", "123"),
        ("RepositoryIds", "*/*"),
        ("Environment", "*"),
        ("Environment", ""),
    ],
)
def test_no_parameter_holds_a_wildcard_or_half_a_name(parameter: str, value: str) -> None:
    pattern = pipeline_roles.template(STAGE)["Parameters"][parameter]["AllowedPattern"]
    assert not re.fullmatch(pattern, value)


def length(document: Any) -> int:
    """Characters, as IAM counts them: without blanks, and with the longest names that there are."""
    text = json.dumps(document, separators=(",", ":"))
    for name, value in (("Partition", "aws-us-gov"), ("Region", "ap-southeast-1"), ("AccountId", WHERE.account)):
        text = text.replace(f"${{AWS::{name}}}", value)
    return len(text)


def test_policies_fit_into_roles_and_the_boundary_into_a_policy() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    stage = STAGE._replace(name="s" * 12)
    for statements in (pipeline_roles.deploying(stage), pipeline_roles.comparing(with_own(stage), OWN)):
        assert length({"Version": "2012-10-17", "Statement": statements}) <= 10_240
    domain = DomainTable(name="d" * 60 + ".com", hosted_zone="Z" * 32)
    for statements in (
        pipeline_roles.bounding(with_own(stage), OWN),
        pipeline_roles.deploying_more(with_own(stage), domain, OWN),
    ):
        assert length({"Version": "2012-10-17", "Statement": statements}) <= 6_144
    # A name of an owner has up to 39 characters, of a repository up to 100.
    trust = trust_policy("Deploy", Repository=f"{'o' * 39}/{'n' * 100}", Environment="e" * 100)
    assert length(trust) <= 2_048


# The workflow


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in found.items()}  # YAML 1.1 takes `on` for a boolean.


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_no_step_writes_what_an_event_says_into_a_shell(workflow: dict[str, Any]) -> None:
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []
    assert workflow["on"] == {"pull_request": None, "push": {"branches": ["main"]}, "workflow_dispatch": None}


def test_a_fork_signs_in_nowhere_and_only_main_deploys(workflow: dict[str, Any]) -> None:
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    assert signing_in(workflow) == {"diff", "deploy"}
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["diff"]["if"]
    assert "github.ref == 'refs/heads/main' && github.event_name != 'pull_request'" in jobs["deploy"]["if"]
    assert jobs["deploy"]["environment"]
    assert jobs["deploy"]["concurrency"]["cancel-in-progress"] is False
    assert all(job["timeout-minutes"] for job in jobs.values())


def signing_in(workflow: dict[str, Any]) -> set[str]:
    return {name for name, job in workflow["jobs"].items() if job["permissions"].get("id-token") == "write"}


def test_what_signs_in_asks_no_registry_and_may_write_nothing_on_github(workflow: dict[str, Any]) -> None:
    """Actions of GitHub's own alone run there, pinned by their commits."""
    for name in signing_in(workflow):
        job = workflow["jobs"][name]
        assert job["permissions"] == {"contents": "read", "id-token": "write"}
        assert job["env"]["PIP_NO_INDEX"] == "1"
        assert job["env"]["PIP_FIND_LINKS"] == workflow["env"]["PACKAGES"]
        assert "packages" in job["needs"]
        for action in (step["uses"] for step in job["steps"] if "uses" in step):
            assert re.fullmatch(r"actions/(checkout|download-artifact|upload-artifact)@[0-9a-f]{40}", action)


def test_what_is_deployed_was_checked_and_tested_and_is_compared_first(workflow: dict[str, Any]) -> None:
    jobs = workflow["jobs"]
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step] == ["make setup", "make check", "make test"]
    assert "test" in jobs["deploy"]["needs"]
    runs = [step["run"] for step in jobs["deploy"]["steps"] if "run" in step]
    assert [run.split()[1] for run in runs if run.startswith("make ")] == ["run-packages", "diff", "deploy", "smoke"]


def test_what_a_deployment_needs_lasts_as_long_as_github_waits_for_its_reviewer(workflow: dict[str, Any]) -> None:
    # https://docs.github.com/en/actions/how-tos/deploy/configure-and-manage-deployments/review-deployments
    kept = {
        step["with"]["name"]: step["with"].get("retention-days")
        for step in steps(workflow)
        if "upload" in step.get("uses", "")
    }
    deploy = workflow["jobs"]["deploy"]
    assert deploy["environment"]
    assert {kept[step["with"]["name"]] for step in deploy["steps"] if "download" in step.get("uses", "")} == {30}


def test_keys_are_lent_once_and_for_longer_than_the_job_may_last(workflow: dict[str, Any]) -> None:
    for name in signing_in(workflow):
        job = workflow["jobs"][name]
        (step,) = (step for step in job["steps"] if "ops.aws.github_sign_in" in step.get("run", ""))
        assert step["run"] == '.venv/bin/python -m ops.aws.github_sign_in "$AWS_SHARED_CREDENTIALS_FILE"'
        assert job["timeout-minutes"] * 60 < github_sign_in.SECONDS
        assert not {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ACCESS_KEY_ID"} & {*workflow["env"], *job["env"]}
    resources = pipeline_roles.template(STAGE)["Resources"]
    for role in ("Deploy", "Compare"):
        assert resources[role]["Properties"]["MaxSessionDuration"] >= github_sign_in.SECONDS


def test_every_command_of_the_workflow_exists(workflow: dict[str, Any]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for step in steps(workflow):
        words = step.get("run", "").split()
        if words[:1] == ["make"]:
            assert words[1] in targets, step
        elif words and words[0].startswith("./"):
            assert (ROOT / words[0]).stat().st_mode & 0o111, step
        elif words[:1] == ["python3"]:
            assert (ROOT / words[1]).exists(), step


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("persist-credentials: false", "persist-credentials: true", "artipacked"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "unpinned-uses"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ('gh pr comment "$NUMBER"', 'gh pr comment "${{ github.event.pull_request.title }}"', "template-injection"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("needs: diff", "needs: dif", "undefined-job-needs"),
        ("vars.HERALD_SMOKE == 'true'", "var.HERALD_SMOKE == 'true'", "undefined-property"),
    ],
)
def test_make_check_finds_what_is_wrong_with_a_workflow(tmp_path: Path, before: str, after: str, found: str) -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    assert before in text
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (folder / "deploy.yml").write_text(text.replace(before, after), encoding="utf-8")
    commands = re.findall(r"\$\(BIN\)/((?:zizmor|jactionlint) .*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    programs = Path(sys.executable).parent
    ran = [
        subprocess.run(
            ["/bin/sh", "-c", f"{programs}/{each}"], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        for each in commands
    ]
    assert any(each.returncode for each in ran)
    assert found in "".join(each.stdout + each.stderr for each in ran)


def test_no_stage_may_have_a_name_that_makes_a_role_or_stack_of_a_pipeline_its_own(tmp_path: Path) -> None:
    """A role that is called as what is the stage's own is, could change itself."""
    resources = pipeline_roles.template(STAGE)["Resources"].values()
    names = ("RoleName", "ManagedPolicyName")
    roles = {each["Properties"][name] for each in resources for name in names if name in each["Properties"]}
    stacks = set(re.findall(r"--stack-name (\S+-dev)\b", (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")))
    assert len(roles) == 3
    assert stacks
    text = (ROOT / "herald.toml").read_text(encoding="utf-8")
    for name in roles | stacks:
        stage = name.removeprefix("herald-").removesuffix("-dev")
        (tmp_path / "herald.toml").write_text(f"{text}\n[stages.{stage}]\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=f"stages.{stage}: .*{name}"):
            load(tmp_path)

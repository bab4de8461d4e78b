"""The IAM roles of a pipeline, as a CloudFormation template: one deploys a stage, one compares.

Both are assumed by GitHub's OpenID Connect, so no key is stored. The role that deploys trusts one environment of one
repository, on its branch ``main``; the one that compares is for pull requests and can only read. The permissions
boundary limits every role that the pipeline makes, whatever its policy allows.
https://docs.github.com/en/actions/reference/security/oidc
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html

Their names don't begin like those of the stage's own roles, so the role that deploys can't change them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.function_spec import FunctionSpec, Grant, Resource
from chalicelib.functions import FILES_BUCKET, FUNCTIONS, functions_of
from chalicelib.own_functions import OWN
from chalicelib.settings import APP, Stage
from ops import naming
from ops.config.rules_subscribers_grants import RuleTable
from ops.config.schema import DomainTable
from ops.errors import OpsError
from ops.naming import PSEUDO_PARAMETERS, AwsLocation, own_arn
from ops.templates import trigger_resources
from ops.templates.function_policies import AWS_ITSELF, VERSION, WILDCARDS
from ops.templates.rules_subscribers_grants import ROLE_ACTIONS

Statement = dict[str, Any]


def name(stage: Stage, does: str) -> str:
    return f"{APP}-{does}-{stage.name}"


def boundary(stage: Stage, where: AwsLocation = PSEUDO_PARAMETERS) -> str:
    """The ARN of the permissions boundary for a stage's roles, which exists where the stage has a pipeline."""
    return f"arn:{where.partition}:iam::{where.account}:policy/{name(stage, 'boundary')}"


def template(
    stage: Stage, domain: DomainTable | None = None, rules: Mapping[str, RuleTable] | None = None
) -> dict[str, Any]:
    """The template of one stage's pipeline roles; it names no account, but perhaps that of a hosted zone."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Herald, stage {stage.name}: the roles of its pipeline",
        "Parameters": {
            "Repository": {
                "Type": "String",
                "Description": "owner/name on GitHub, upper and lower case as there",
                "AllowedPattern": _REPOSITORY,
            },
            "RepositoryIds": {
                "Type": "String",
                "Description": "owner's id/repository's id, as GitHub names them in a subject; empty lets in any",
                "AllowedPattern": "([0-9]+/[0-9]+)?",
                "Default": "",
            },
            "Environment": {
                "Type": "String",
                "Description": "The repository's environment that may deploy",
                "AllowedPattern": "[A-Za-z0-9._-]+",
                "Default": stage.name,
            },
            "Provider": {
                "Type": "String",
                "Description": "new, or existing where the account knows GitHub's OpenID Connect already",
                "AllowedValues": ["new", "existing"],
                "Default": "new",
            },
        },
        "Conditions": {
            "NewProvider": {"Fn::Equals": [{"Ref": "Provider"}, "new"]},
            "AnyIds": {"Fn::Equals": [{"Ref": "RepositoryIds"}, ""]},
        },
        "Resources": {
            "GitHub": {
                "Type": "AWS::IAM::OIDCProvider",
                "Condition": "NewProvider",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {"Url": f"https://{_ISSUER}", "ClientIdList": ["sts.amazonaws.com"]},
            },
            "Boundary": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "ManagedPolicyName": name(stage, "boundary"),
                    "Description": f"The most that a role of {naming.prefix(stage)} can do",
                    "PolicyDocument": _document([*bounding(stage), *bounding_rules(rules or {})]),
                },
            },
            "Deploy": _role(
                stage,
                "deploy",
                "environment:${Environment}",
                {"environment": {"Ref": "Environment"}, "ref": "refs/heads/main"},
                deploying(stage),
            ),
            **({"DeployMore": _managed(stage, "deploy-more", more)} if (more := deploying_more(stage, domain)) else {}),
            "Compare": _role(stage, "diff", "pull_request", {}, comparing(stage)),
        },
        "Outputs": {output: {"Value": {"Fn::GetAtt": [output, "Arn"]}} for output in ("Deploy", "Compare")},
    }


_ISSUER = "token.actions.githubusercontent.com"
_REPOSITORY = "[A-Za-z0-9_-]+/[A-Za-z0-9._-]+"
"""Neither part may contain a wildcard of IAM's patterns, or the ``@`` before an id."""


def _role(
    stage: Stage, does: str, context: str, claims: Mapping[str, Any], statements: list[Statement]
) -> dict[str, Any]:
    provider = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:oidc-provider/{_ISSUER}"
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": name(stage, does),
            "MaxSessionDuration": 3600,
            "AssumeRolePolicyDocument": {
                "Version": VERSION,
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": {"Fn::Sub": provider}},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": _trust(context, claims),
                    }
                ],
            },
            "Policies": [{"PolicyName": does, "PolicyDocument": _document(statements)}],
        },
    }


def _trust(context: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions under which a role trusts a token of GitHub.

    GitHub writes ids into the subjects of newer repositories, and none into those of older ones. With given ids exactly
    one subject matches. Without them ``*`` stands for each id and also matches ``/`` and ``:``; other repositories are
    excluded by the claim ``repository``, which must be equal.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
    """
    parts = {
        f"{part}{what}": {"Fn::Select": [number, {"Fn::Split": ["/", {"Ref": parameter}]}]}
        for what, parameter in (("", "Repository"), ("Id", "RepositoryIds"))
        for number, part in enumerate(("Owner", "Name"))
    }
    names = {part: parts[part] for part in ("Owner", "Name")}
    return {
        "StringEquals": {
            f"{_ISSUER}:aud": "sts.amazonaws.com",
            f"{_ISSUER}:repository": {"Ref": "Repository"},
            **{f"{_ISSUER}:{claim}": value for claim, value in claims.items()},
        },
        "StringLike": {
            f"{_ISSUER}:sub": {
                "Fn::If": [
                    "AnyIds",
                    [
                        {"Fn::Sub": f"repo:${{Repository}}:{context}"},
                        {"Fn::Sub": [f"repo:${{Owner}}@*/${{Name}}@*:{context}", names]},
                    ],
                    {"Fn::Sub": [f"repo:${{Owner}}@${{OwnerId}}/${{Name}}@${{NameId}}:{context}", parts]},
                ]
            }
        },
    }


def _managed(stage: Stage, does: str, statements: list[Statement]) -> dict[str, Any]:
    """A policy beside that of the role ``Deploy``."""
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": name(stage, does),
            "Roles": [{"Ref": "Deploy"}],
            "PolicyDocument": _document(statements),
        },
    }


def _document(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": _substituted(statements)}


def _substituted(value: Any) -> Any:
    """The value with ``Fn::Sub`` around every text that has a pseudo parameter."""
    match value:
        case str():
            return {"Fn::Sub": value} if "${" in value else value
        case dict():
            return {key: _substituted(part) for key, part in value.items()}
        case list():
            return [_substituted(part) for part in value]
    return value


def bounding(stage: Stage, own_functions: Sequence[FunctionSpec] = OWN) -> list[Statement]:
    """The permissions boundary of the stage's roles: every action of the manifest, on all of the stage's resources.

    It depends on no configuration but ``[values]`` and ``functions``, so of other changes of ``herald.toml`` those of
    :func:`bounding_rules` alone need the administrator who deploys the template. The owner names identities of SES, so
    all of them are included.

    Raises :class:`OpsError` for an action of a service whose resources are not listed here.
    """
    own = _Arns(stage)
    table = own.arn("dynamodb", f"table/{stage.table}")
    resources = {
        "dynamodb": [table, f"{table}/index/*"],
        "events": [own.arn("events", f"event-bus/{stage.bus}")],
        "lambda": own.functions,
        "logs": own.log_groups[1:],
        "ses": [own.arn("ses", "identity/*"), own.arn("ses", "configuration-set/*")],
        "sns": [own.arn("sns", stage.topic)],
        "sqs": [own.arn("sqs", f"{own.prefix}-*")],
        "ssm": [own.parameter("*")],
    }
    there = functions_of(stage, own_functions)
    specs = (*FUNCTIONS, *(spec for spec in there if spec not in FUNCTIONS))
    grants = [(spec, grant) for spec in specs for grant in spec.all_grants]
    used = {action for _, grant in grants if isinstance(grant.on, Resource) for action in grant.actions}
    used |= set(AWS_ITSELF)
    of_files = {action for _, grant in grants if FILES_BUCKET in str(grant.on) for action in grant.actions}
    actions: dict[str, list[str]] = {}
    for action in sorted(used - set(WILDCARDS)):
        actions.setdefault(action.partition(":")[0], []).append(action)
    if unknown := sorted(actions.keys() - resources.keys()):
        raise OpsError(
            f"functions use {', '.join(unknown)}, and the boundary of their roles lists no resources for it. Add them"
            " to `bounding` of ops/templates/pipeline_roles.py"
        )
    return [
        *(_allow(service.capitalize(), resources[service], *names) for service, names in actions.items()),
        _allow("WithoutResource", ["*"], *sorted(used & set(WILDCARDS))),
        _allow("Files", [own.files, f"{own.files}/*"], *sorted(of_files)),
        *(
            _own(spec, grant, stage)
            for spec, grant in grants
            if isinstance(grant.on, str) and FILES_BUCKET not in grant.on and spec in there
        ),
        {
            # The policy of the key aws/ssm allows this to everybody in the account, so no role's own policy needs it.
            # AWS doesn't say that a boundary keeps such a permission, so the boundary names it.
            # https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html
            **_allow("DecryptParameters", [own.arn("kms", "key/*")], "kms:Decrypt"),
            "Condition": {"StringLike": {"kms:ViaService": "ssm.${AWS::Region}.*"}},
        },
    ]


def bounding_rules(rules: Mapping[str, RuleTable]) -> list[Statement]:
    """What the boundary adds for the roles of an owner's rules: each one's action, on the targets that they name.

    All state machines or buses of the account would let a function start what has more rights than the stage. A
    deployment refuses a rule that the boundary in the account doesn't know.
    """
    statements = []
    for service, action in ROLE_ACTIONS.items():
        if arns := sorted({rule.to.arn(PSEUDO_PARAMETERS) for rule in rules.values() if rule.to.service == service}):
            statements.append(_allow(f"RulesTo{service.capitalize()}", arns, action))
    return statements


def _own(spec: FunctionSpec, grant: Grant, stage: Stage) -> Statement:
    """What a function's grant allows on a resource of the owner's."""
    sid = naming.logical("own", f"{spec.name}-{grant.sid}".replace("_", "-"))
    return _allow(sid, [own_arn(str(grant.on), stage, PSEUDO_PARAMETERS, spec.name)], *grant.actions)


def comparing(stage: Stage, own_functions: Sequence[FunctionSpec] = OWN) -> list[Statement]:
    """What `make diff` reads: no messages, no secrets, and only those parameters that a deployment recorded."""
    own = _Arns(stage)
    on_default_bus = [own.arn("events", f"rule/{own.prefix}-*")]
    if not trigger_resources.of_kind(stage, "event", "s3", own=own_functions):
        on_default_bus = []
    tables = _sources("dynamodb", own.arn("dynamodb", "table/"), stage, own_functions)
    return [
        _allow("ReadStacks", own.stacks, "cloudformation:DescribeStacks", "cloudformation:GetTemplate"),
        _allow(
            "ReadFunctions",
            own.functions,
            *_of("lambda", "GetFunction GetPolicy GetFunctionEventInvokeConfig GetFunctionUrlConfig"),
        ),
        _allow("ReadRules", [own.arn("events", f"rule/{stage.bus}/*"), *on_default_bus], "events:DescribeRule"),
        *([_allow("FindStreams", tables, "dynamodb:DescribeTable")] if tables else []),
        _allow("ReadPolicies", own.roles, "iam:GetRolePolicy"),
        _allow("SeeBoundary", [boundary(stage)], "iam:GetPolicy"),
        _allow("ReadApis", [f"{own.apis}/*"], "apigateway:GET"),
        _allow("ReadLogGroups", ["*"], "logs:DescribeLogGroups"),
        _allow("ReadRecords", [own.parameter("deployed"), own.parameter("deployed/*")], "ssm:GetParameter"),
        _allow("ReadReleases", [f"{own.bucket}/*"], "s3:GetObject"),
    ]


def deploying(stage: Stage) -> list[Statement]:
    """What `make deploy`, `make rollback` and `make smoke` call, themselves and through CloudFormation.

    It can delete the table, the queues, the bus and the bucket only through CloudFormation, which undoes a failed
    creation; `make destroy` is for a person. AWS chooses the ids of APIs, so all of them are included. CloudFormation's
    resource schemas list what it needs; tests/infrastructure/test_pipeline.py compares.
    """
    own = _Arns(stage)
    return [
        _allow(
            "Stacks",
            own.stacks,
            *_of(
                "cloudformation",
                "CreateStack UpdateStack CancelUpdateStack ContinueUpdateRollback DeleteStack DescribeStacks"
                " DescribeStackEvents GetTemplate",
            ),
        ),
        _allow(
            "Table",
            [own.arn("dynamodb", f"table/{stage.table}")],
            *_of(
                "dynamodb",
                "CreateTable UpdateTable DescribeTable UpdateTimeToLive DescribeTimeToLive UpdateContinuousBackups"
                " DescribeContinuousBackups DescribeContributorInsights DescribeKinesisStreamingDestination"
                " GetResourcePolicy ListTagsOfResource TagResource UntagResource GetItem",
            ),
        ),
        _allow(
            "Queues",
            [own.arn("sqs", f"{own.prefix}-*")],
            *_of(
                "sqs", "CreateQueue GetQueueAttributes SetQueueAttributes GetQueueUrl ListQueueTags TagQueue UntagQueue"
            ),
        ),
        _allow(
            "Topics",
            [own.arn("sns", f"{own.prefix}-*")],
            *_of(
                "sns",
                "CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes GetDataProtectionPolicy Subscribe"
                " ListSubscriptionsByTopic ListTagsForResource TagResource UntagResource",
            ),
        ),
        _allow("Subscriptions", ["*"], *_of("sns", "Unsubscribe GetSubscriptionAttributes SetSubscriptionAttributes")),
        _allow(
            "BusAndRules",
            [
                own.arn("events", f"event-bus/{stage.bus}"),
                own.arn("events", f"rule/{own.prefix}-*"),
                own.arn("events", f"rule/{stage.bus}/*"),
            ],
            *_of(
                "events",
                "CreateEventBus DescribeEventBus UpdateEventBus PutRule DescribeRule EnableRule DeleteRule PutTargets"
                " RemoveTargets ListTargetsByRule ListTagsForResource TagResource UntagResource",
            ),
        ),
        _allow(
            "Functions",
            own.functions,
            *_of(
                "lambda",
                "CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration"
                " DeleteFunction AddPermission RemovePermission GetPolicy PutFunctionConcurrency"
                " DeleteFunctionConcurrency PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig"
                " GetFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig CreateFunctionUrlConfig"
                " UpdateFunctionUrlConfig GetFunctionUrlConfig DeleteFunctionUrlConfig ListTags TagResource"
                " UntagResource",
            ),
        ),
        _allow("Canary", [own.arn("lambda", f"function:{stage.function('canary')}")], "lambda:InvokeFunction"),
        _allow(
            "Roles",
            own.roles,
            *_of(
                "iam",
                "GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole GetRolePolicy"
                " DeleteRolePolicy ListRolePolicies ListAttachedRolePolicies ListRoleTags TagRole UntagRole"
                " SimulatePrincipalPolicy",
            ),
        ),
        {
            **_allow(
                "RolesWithinBoundary", own.roles, *_of("iam", "CreateRole PutRolePolicy PutRolePermissionsBoundary")
            ),
            "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary(stage)}},
        },
        _allow("SeeBoundary", [boundary(stage)], *_of("iam", "GetPolicy GetPolicyVersion")),
        {
            **_allow("HandRolesOn", own.roles, "iam:PassRole"),
            "Condition": {
                "StringEquals": {
                    "iam:PassedToService": [f"{each}.amazonaws.com" for each in ("lambda", "apigateway", "events")]
                }
            },
        },
        _allow(
            "Apis",
            [own.apis, f"{own.apis}/*", own.api("tags/*")],
            *_of("apigateway", "GET POST PUT PATCH DELETE"),
        ),
        {
            # API Gateway makes it with an account's first API or domain, in the caller's name:
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/using-service-linked-roles.html
            **_allow(
                "RoleOfApiGateway",
                [own.role(f"aws-service-role/{_API_GATEWAY}/AWSServiceRoleForAPIGateway")],
                "iam:CreateServiceLinkedRole",
            ),
            "Condition": {"StringEquals": {"iam:AWSServiceName": _API_GATEWAY}},
        },
        _allow(
            "Logs",
            own.log_groups,
            *_of("logs", "CreateLogGroup PutRetentionPolicy TagResource FilterLogEvents"),
        ),
        _allow("FindLogGroups", ["*"], "logs:DescribeLogGroups"),
        # AWS knows no resource for saved queries.
        _allow(
            "SavedQueries", ["*"], *_of("logs", "PutQueryDefinition DescribeQueryDefinitions DeleteQueryDefinition")
        ),
        _allow(
            "Alarms",
            [own.arn("cloudwatch", f"alarm:{own.prefix}-*")],
            *_of(
                "cloudwatch", "PutMetricAlarm DescribeAlarms DeleteAlarms ListTagsForResource TagResource UntagResource"
            ),
        ),
        _allow(
            "Records",
            [own.parameter(name) for name in ("deployed", "deployed/*", "functions/*", "resources/*", "spam/key")],
            *_of(
                "ssm",
                "PutParameter DeleteParameter AddTagsToResource RemoveTagsFromResource ListTagsForResource",
            ),
        ),
        _allow(
            "ReadRecords",
            [own.parameter(name) for name in ("deployed", "deployed/*", "functions/*", "resources/*")],
            *_of("ssm", "GetParameter GetParameters"),
        ),
        _allow(
            "Buckets",
            [own.bucket, own.files],
            *_of(
                "s3",
                "CreateBucket ListBucket PutEncryptionConfiguration PutBucketPublicAccessBlock GetBucketTagging"
                " PutBucketTagging ListTagsForResource TagResource UntagResource"
                " PutBucketPolicy GetBucketPolicy DeleteBucketPolicy"
                # CloudFormation looks at all that a bucket can have.
                " GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketCORS GetBucketLogging"
                " GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration"
                " GetBucketOwnershipControls GetBucketPublicAccessBlock GetBucketVersioning GetBucketWebsite"
                " GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration"
                " GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration",
            ),
        ),
        _allow(
            "Files",
            [own.files],
            *_of("s3", "PutLifecycleConfiguration PutBucketOwnershipControls"),
        ),
        _allow("ReleaseFiles", [f"{own.bucket}/*"], *_of("s3", "GetObject PutObject DeleteObject")),
        {
            **_allow(
                "UndoFailedCreation",
                [
                    own.arn("dynamodb", f"table/{stage.table}"),
                    own.arn("sqs", f"{own.prefix}-*"),
                    own.arn("events", f"event-bus/{stage.bus}"),
                    own.bucket,
                    own.files,
                ],
                "dynamodb:DeleteTable",
                "sqs:DeleteQueue",
                "events:DeleteEventBus",
                "s3:DeleteBucket",
            ),
            "Condition": _BY_CLOUDFORMATION,
        },
    ]


def deploying_more(
    stage: Stage, domain: DomainTable | None = None, own_functions: Sequence[FunctionSpec] = OWN
) -> list[Statement]:
    """What the same takes with a domain, or with triggers that have a source.

    It is a policy of its own, as those within a role have 10,240 characters together.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    own = _Arns(stage)
    return [*(_with_domain(own, domain) if domain else []), *_with_triggers(own, stage, own_functions)]


def destroying(stage: Stage) -> list[Statement]:
    """What `make destroy` calls itself and no pipeline may, for docs/rights.md."""
    own = _Arns(stage)
    return [
        _allow("Table", [own.arn("dynamodb", f"table/{stage.table}")], "dynamodb:DeleteTable"),
        _allow("Logs", own.log_groups, "logs:DeleteLogGroup"),
        _allow("Buckets", [own.bucket, own.files], *_of("s3", "ListBucketVersions DeleteBucket")),
        # Each object is deleted by its version, "null" in a bucket that keeps none; S3 names both actions then:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
        _allow("Objects", [f"{own.bucket}/*", f"{own.files}/*"], *_of("s3", "DeleteObject DeleteObjectVersion")),
    ]


_API_GATEWAY = "ops.apigateway.amazonaws.com"
_BY_CLOUDFORMATION = {"ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}}
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/fas-requests-and-permission-evaluation.html"""


def _with_domain(own: _Arns, domain: DomainTable) -> list[Statement]:
    """What CloudFormation does for the stack of a domain. AWS chooses the ids of certificates, so all are included."""
    found = [
        _allow(
            "Domain",
            # Any name: after a change CloudFormation deletes the domain of the name before.
            [own.api("domainnames"), own.api("domainnames/*")],
            *_of("apigateway", "GET POST PUT PATCH DELETE"),
        )
    ]
    if domain.certificate is None:
        names = "DescribeCertificate UpdateCertificateOptions DeleteCertificate AddTagsToCertificate"
        found += [
            _allow("RequestCertificate", ["*"], *_of("acm", "RequestCertificate ListCertificates")),
            _allow(
                "Certificate",
                [own.arn("acm", "certificate/*")],
                *_of("acm", f"{names} RemoveTagsFromCertificate ListTagsForCertificate"),
            ),
        ]
    if domain.hosted_zone:
        found += [
            _allow(
                "DnsRecords",
                [f"arn:${{AWS::Partition}}:route53:::hostedzone/{domain.hosted_zone}"],
                *_of("route53", "ChangeResourceRecordSets ListResourceRecordSets GetHostedZone"),
            ),
            _allow("DnsZones", ["*"], "route53:ListHostedZones"),
            _allow("DnsChanges", ["arn:${AWS::Partition}:route53:::change/*"], "route53:GetChange"),
        ]
    return [{**each, "Condition": _BY_CLOUDFORMATION} for each in found]


def _with_triggers(own: _Arns, stage: Stage, functions: Sequence[FunctionSpec]) -> list[Statement]:
    """What making the triggers of functions takes beyond the stage's own rules and queues."""

    def arns(kind: str, before: str) -> list[str]:
        return _sources(kind, before, stage, functions)

    found = [
        (
            "SourceBuckets",
            arns("s3", "arn:${AWS::Partition}:s3:::"),
            _of("s3", "GetBucketNotification PutBucketNotification"),
        ),
        ("SourceQueues", arns("sqs", own.arn("sqs", "")), _of("sqs", "GetQueueUrl GetQueueAttributes")),
        ("SourceTopics", arns("sns", own.arn("sns", "")), _of("sns", "GetTopicAttributes Subscribe")),
        ("SourceTables", arns("dynamodb", own.arn("dynamodb", "table/")), ["dynamodb:DescribeTable"]),
        ("SourceStreams", arns("kinesis", own.arn("kinesis", "stream/")), ["kinesis:DescribeStreamSummary"]),
    ]
    statements = [_allow(sid, resources, *actions) for sid, resources, actions in found if resources]
    if any(spec.trigger.polled for spec in functions_of(stage, functions)):
        # AWS chooses their ids, so all of them are included. What is not yet made has none, so Lambda knows no resource
        # for its creation. The condition leaves those of the stage's functions; AWS has none for tags.
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
        every = [own.arn("lambda", "event-source-mapping:*")]
        names = "UpdateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping"
        of_stage = {"Condition": {"ArnLike": {"lambda:FunctionArn": own.functions}}}
        statements += [
            {**_allow("MakeMappings", ["*"], "lambda:CreateEventSourceMapping"), **of_stage},
            {**_allow("Mappings", every, *_of("lambda", names)), **of_stage},
            _allow("MappingsTags", every, *_of("lambda", "ListTags TagResource UntagResource")),
        ]
    return statements


def _sources(kind: str, before: str, stage: Stage, functions: Sequence[FunctionSpec]) -> list[str]:
    """The ARNs of the sources of one kind of trigger."""
    names = trigger_resources.sources(stage, PSEUDO_PARAMETERS, kind, own=functions).values()
    return [before + name for name in dict.fromkeys(names)]


class _Arns:
    """ARNs of a stage's resources, by the beginning of their names."""

    def __init__(self, stage: Stage) -> None:
        self.prefix = naming.prefix(stage)
        self._parameters = stage.parameters
        self.stacks = [self.arn("cloudformation", f"stack/{self.prefix}-*/*")]
        self.functions = [self.arn("lambda", f"function:{name}") for name in (self.prefix, f"{self.prefix}-*")]
        self.roles = [self.role(f"{self.prefix}-*")]
        self.apis = self.api("restapis")
        log_group = stage.log_group("api_handler")
        self.log_groups = [self.arn("logs", f"log-group:{log_group}{end}") for end in ("", ":*", "-*")]
        self.bucket = f"arn:${{AWS::Partition}}:s3:::{self.prefix}-releases-${{AWS::AccountId}}-*"
        """Each new foundation stack has a bucket with another suffix."""
        name = stage.files_bucket(PSEUDO_PARAMETERS.region, PSEUDO_PARAMETERS.account)
        self.files = f"arn:${{AWS::Partition}}:s3:::{name}"

    def arn(self, service: str, resource: str) -> str:
        return PSEUDO_PARAMETERS.arn(service, resource)

    def role(self, name: str) -> str:
        return f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{name}"

    def api(self, path: str) -> str:
        return f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::/{path}"

    def parameter(self, name: str) -> str:
        return self.arn("ssm", f"parameter{self._parameters}/{name}")


def _allow(sid: str, resources: list[str], *actions: str) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}


def _of(service: str, names: str) -> list[str]:
    return [f"{service}:{name}" for name in names.split()]

"""The roles that a pipeline works with, as a CloudFormation template: one that deploys a stage, one that compares.

Both are for GitHub's OpenID Connect, so no key is kept anywhere. The role that deploys lets in one environment of one
repository, whose owner decides what runs there; the one that compares is for pull requests and may only read.
https://docs.github.com/en/actions/security-for-github-actions/security-hardening-your-deployments/about-security-hardening-with-openid-connect

Their names don't begin as those of the stage's own roles do, so the one that deploys can't change itself.
"""

from __future__ import annotations

from typing import Any

from chalicelib.settings import APP, Stage
from ops import stacks
from ops.policies import ANYWHERE

Statement = dict[str, Any]


def role(stage: Stage, does: str) -> str:
    return f"{APP}-{does}-{stage.name}"


def template(stage: Stage) -> dict[str, Any]:
    """The template of one stage's roles; names and pseudo parameters alone."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Herald, stage {stage.name}: the roles of its pipeline",
        "Parameters": {
            "Repository": {"Type": "String", "Description": "owner/name on GitHub"},
            "Environment": {
                "Type": "String",
                "Description": "The repository's environment that may deploy",
                "Default": stage.name,
            },
            "Provider": {
                "Type": "String",
                "Description": "new, or existing where the account knows GitHub's OpenID Connect already",
                "AllowedValues": ["new", "existing"],
                "Default": "new",
            },
        },
        "Conditions": {"NewProvider": {"Fn::Equals": [{"Ref": "Provider"}, "new"]}},
        "Resources": {
            "GitHub": {
                "Type": "AWS::IAM::OIDCProvider",
                "Condition": "NewProvider",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {"Url": f"https://{_ISSUER}", "ClientIdList": ["sts.amazonaws.com"]},
            },
            "Deploy": _role(stage, "deploy", "environment:${Environment}", deploying(stage)),
            "Compare": _role(stage, "diff", "pull_request", comparing(stage)),
        },
        "Outputs": {name: {"Value": {"Fn::GetAtt": [name, "Arn"]}} for name in ("Deploy", "Compare")},
    }


_ISSUER = "token.actions.githubusercontent.com"


def _role(stage: Stage, does: str, subject: str, statements: list[Statement]) -> dict[str, Any]:
    provider = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:oidc-provider/{_ISSUER}"
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": role(stage, does),
            "MaxSessionDuration": 3600,
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": {"Fn::Sub": provider}},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": {
                            "StringEquals": {
                                f"{_ISSUER}:aud": "sts.amazonaws.com",
                                f"{_ISSUER}:sub": {"Fn::Sub": f"repo:${{Repository}}:{subject}"},
                            }
                        },
                    }
                ],
            },
            "Policies": [
                {
                    "PolicyName": does,
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {**one, "Resource": [_sub(arn) for arn in one["Resource"]]} for one in statements
                        ],
                    },
                }
            ],
        },
    }


def _sub(arn: str) -> str | dict[str, str]:
    return {"Fn::Sub": arn} if "${" in arn else arn


def comparing(stage: Stage) -> list[Statement]:
    """What `make diff` reads. Neither messages nor secrets: of the parameters only what a deployment recorded."""
    own = _Arns(stage)
    return [
        _allow("ReadStacks", own.stacks, "cloudformation:DescribeStacks", "cloudformation:GetTemplate"),
        _allow(
            "ReadFunctions",
            own.functions,
            *_of("lambda", "GetFunction GetPolicy GetFunctionEventInvokeConfig GetFunctionUrlConfig"),
        ),
        _allow("ReadRules", [own.arn("events", f"rule/{stage.bus}/*")], "events:DescribeRule"),
        _allow("ReadPolicies", own.roles, "iam:GetRolePolicy"),
        _allow("ReadApis", [f"{own.apis}/*"], "apigateway:GET"),
        _allow("ReadLogGroups", ["*"], "logs:DescribeLogGroups"),
        _allow("ReadRecords", [own.parameter("deployed"), own.parameter("deployed/*")], "ssm:GetParameter"),
        _allow("ReadReleases", [f"{own.bucket}/*"], "s3:GetObject"),
    ]


def deploying(stage: Stage) -> list[Statement]:
    """What `make deploy`, `make rollback` and `make smoke` call, themselves and through CloudFormation.

    It can delete what a deployment replaces or may have to make anew, and neither the table, the queues, the bus nor
    the logs: `make destroy` is for a person. The ids of APIs are AWS's to choose, so there no stage can be told apart.
    """
    own = _Arns(stage)
    return [
        _allow(
            "Stacks",
            own.stacks,
            *_of(
                "cloudformation",
                "CreateStack UpdateStack ContinueUpdateRollback DeleteStack DescribeStacks DescribeStackEvents"
                " GetTemplate",
            ),
        ),
        _allow(
            "Table",
            [own.arn("dynamodb", f"table/{stage.table}")],
            *_of(
                "dynamodb",
                "CreateTable UpdateTable DescribeTable UpdateTimeToLive DescribeTimeToLive UpdateContinuousBackups"
                " DescribeContinuousBackups DescribeContributorInsights DescribeKinesisStreamingDestination"
                " ListTagsOfResource TagResource UntagResource GetItem",
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
                "CreateEventBus DescribeEventBus PutRule DescribeRule EnableRule DeleteRule PutTargets RemoveTargets"
                " ListTargetsByRule ListTagsForResource TagResource UntagResource",
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
                "CreateRole GetRole UpdateAssumeRolePolicy DeleteRole PutRolePolicy GetRolePolicy DeleteRolePolicy"
                " ListRolePolicies ListAttachedRolePolicies TagRole UntagRole SimulatePrincipalPolicy",
            ),
        ),
        {
            **_allow("HandRolesOn", own.roles, "iam:PassRole"),
            "Condition": {
                "StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "apigateway.amazonaws.com"]}
            },
        },
        _allow(
            "Apis",
            [own.apis, f"{own.apis}/*", own.api("tags/*")],
            *_of("apigateway", "GET POST PUT PATCH DELETE"),
        ),
        _allow(
            "Logs",
            [own.arn("logs", f"log-group:{stage.log_group('api_handler')}{end}") for end in ("", ":*", "-*")],
            *_of("logs", "CreateLogGroup PutRetentionPolicy TagResource FilterLogEvents"),
        ),
        _allow("FindLogGroups", ["*"], "logs:DescribeLogGroups"),
        _allow(
            "Alarms",
            [own.arn("cloudwatch", f"alarm:{own.prefix}-*")],
            *_of(
                "cloudwatch", "PutMetricAlarm DescribeAlarms DeleteAlarms ListTagsForResource TagResource UntagResource"
            ),
        ),
        _allow(
            "Records",
            [own.parameter(name) for name in ("deployed", "deployed/*", "functions/*", "spam/key")],
            *_of(
                "ssm",
                "PutParameter DeleteParameter AddTagsToResource RemoveTagsFromResource ListTagsForResource",
            ),
        ),
        _allow(
            "ReadRecords",
            [own.parameter(name) for name in ("deployed", "deployed/*", "functions/*")],
            *_of("ssm", "GetParameter GetParameters"),
        ),
        _allow(
            "Releases",
            [own.bucket],
            *_of(
                "s3",
                "CreateBucket ListBucket GetEncryptionConfiguration PutEncryptionConfiguration"
                " GetBucketPublicAccessBlock PutBucketPublicAccessBlock GetBucketTagging PutBucketTagging",
            ),
        ),
        _allow("ReleaseFiles", [f"{own.bucket}/*"], *_of("s3", "GetObject PutObject DeleteObject")),
    ]


class _Arns:
    """ARNs of a stage, by the names that all of it begins with."""

    def __init__(self, stage: Stage) -> None:
        self.prefix = stacks.prefix(stage)
        self._parameters = stage.parameters
        self.stacks = [self.arn("cloudformation", f"stack/{self.prefix}-*/*")]
        self.functions = [self.arn("lambda", f"function:{name}") for name in (self.prefix, f"{self.prefix}-*")]
        self.roles = [f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{self.prefix}-*"]
        self.apis = self.api("restapis")
        self.bucket = f"arn:${{AWS::Partition}}:s3:::{self.prefix}-releases-${{AWS::AccountId}}-${{AWS::Region}}"

    def arn(self, service: str, resource: str) -> str:
        return ANYWHERE.arn(service, resource)

    def api(self, path: str) -> str:
        return f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::/{path}"

    def parameter(self, name: str) -> str:
        return self.arn("ssm", f"parameter{self._parameters}/{name}")


def _allow(sid: str, resources: list[str], *actions: str) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}


def _of(service: str, names: str) -> list[str]:
    return [f"{service}:{name}" for name in names.split()]

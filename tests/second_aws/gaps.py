"""What moto does otherwise than AWS, as far as deploying Herald meets it, each with AWS's page.

It is all here: no code of Herald's gives way to an emulator (docs/decisions/0060-a-second-emulator.md).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from moto.apigateway.models import RestAPI, apigateway_backends
from moto.awslambda.exceptions import GenericResourcNotFound, UnknownFunctionException
from moto.awslambda.models import LambdaBackend
from moto.awslambda.policy import Policy
from moto.awslambda.utils import get_backend
from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import ManagedPolicy, iam_backends
from openapi_spec_validator import OpenAPIV2SpecValidator

SKIPPED = {
    "AWS::SQS::QueuePolicy": "who may send to a queue: tests/infrastructure/test_templates.py, and IAM in MiniStack",
    "AWS::SNS::TopicPolicy": "who may publish: tests/infrastructure/test_templates.py, and IAM in MiniStack",
    "AWS::SNS::Subscription": "[[subscriber]] and mail of alarms: tests/e2e/test_rules.py, tests/e2e/test_alarms.py",
    "AWS::CloudWatch::Alarm": "tests/e2e/test_alarms.py, tests/unit/test_alarms.py",
    "AWS::ApiGateway::Stage": "of GET /SendEvent: tests/e2e/test_path.py",
    "AWS::ApiGateway::Model": "of GET /SendEvent's answers: cfn-lint alone",
    "AWS::Logs::QueryDefinition": "tests/unit/test_log_queries.py",
    "AWS::S3::BucketPolicy": "TLS alone, the account alone: tests/infrastructure/test_files.py",
}
"""Types of resources that moto's CloudFormation passes over with a warning, and what judges each instead. All of them
are also held against AWS's own schemas by cfn-lint: tests/infrastructure/test_matrix.py."""

ACCOUNT = DEFAULT_ACCOUNT_ID

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class Gaps:
    """Stand in front of moto, do what AWS does and moto doesn't, and answer ``GET /_skipped``."""

    def __init__(self, moto: Application, skipped: set[str]) -> None:
        self._moto, self._skipped = moto, skipped

    def __call__(self, environ: Environ, start: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/_skipped":
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(sorted(self._skipped)).encode()]
        if method == "PUT" and re.fullmatch(r"/restapis/\w+", path):
            return self._import(environ, start)
        if method == "POST" and (deployed := re.fullmatch(r"/restapis/(\w+)/deployments", path)):
            return self._deploy(environ, start, _api(environ, deployed[1]))
        if method == "PUT" and (function := re.fullmatch(r"/2015-03-31/functions/([\w-]+)/configuration", path)):
            return self._configure(environ, start, function[1])
        if method == "POST" and "/cloudformation/" in environ["HTTP_AUTHORIZATION"]:
            return self._change_stack(environ, start)
        return self._moto(environ, start)

    def _change_stack(self, environ: Environ, start: Any) -> Iterable[bytes]:
        """Forget parameters that a new template of a stack doesn't declare, which moto keeps:
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html"""
        answer = list(self._moto(environ, start))
        for stack in cloudformation_backends[ACCOUNT][_region(environ)].stacks.values():
            found = stack.resource_map.resolved_parameters
            for name in set(found) - set(stack.template_dict.get("Parameters", {})):
                del found[name]
            found.update({name: _CommaList(value) for name, value in found.items() if isinstance(value, list)})
        return answer

    def _import(self, environ: Environ, start: Any) -> Iterable[bytes]:
        """Check an OpenAPI 2.0 document against its specification, and hand it on as 3.0: Chalice writes 2.0, API
        Gateway imports both, and moto refuses 2.0. What moto reads is written alike in both.
        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api.html"""
        document = json.loads(_body(environ))
        OpenAPIV2SpecValidator(document).validate()
        assert document.pop("swagger") == "2.0"
        body = json.dumps({"openapi": "3.0.1", **document}).encode()
        return self._moto({**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}, start)

    def _configure(self, environ: Environ, start: Any, function: str) -> Iterable[bytes]:
        """Change a function's tracing, which moto leaves as it was:
        https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html"""
        body = _body(environ)
        if tracing := json.loads(body).get("TracingConfig"):
            get_backend(ACCOUNT, _region(environ)).get_function(function).tracing_config = tracing
        return self._moto({**environ, "wsgi.input": io.BytesIO(body)}, start)

    def _deploy(self, environ: Environ, start: Any, api: RestAPI) -> Iterable[bytes]:
        """Keep the settings of a stage that exists. moto empties them; AWS uses the stage again, and wants a deployment
        *after* a change of settings:
        https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-deploy-api-with-console.html"""
        before = dict(api.stages)
        answer = list(self._moto(environ, start))
        for name, stage in before.items():
            stage.deployment_id = api.stages[name].deployment_id
            api.stages[name] = stage
        return answer


class _CommaList(list[str]):
    """A parameter of type CommaDelimitedList, which DescribeStacks shows as it was given; moto shows Python's list.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html"""

    def __str__(self) -> str:
        return ",".join(self)


def _body(environ: Environ) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return body


def _region(environ: Environ) -> str:
    scope = re.search(r"Credential=\w+/\d+/([\w-]+)/", environ["HTTP_AUTHORIZATION"])
    assert scope
    return scope[1]


def _api(environ: Environ, api: str) -> RestAPI:
    return apigateway_backends[ACCOUNT][_region(environ)].get_rest_api(api)


def add_deletions() -> None:
    """Let CloudFormation delete two types that moto creates by it and then never deletes, without a warning:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-whatis-howdoesitwork.html"""

    def policy(name: str, _: object, account: str, region: str) -> None:
        iam_backends[account]["aws"].delete_policy(name)

    def api(name: str, _: object, account: str, region: str) -> None:
        apigateway_backends[account][region].delete_rest_api(name)

    ManagedPolicy.delete_from_cloudformation_json = staticmethod(policy)  # type: ignore[assignment]
    RestAPI.delete_from_cloudformation_json = staticmethod(api)  # type: ignore[assignment]


def add_conditions() -> None:
    """Make conditions of what a permission says of function URLs, which moto leaves as further keys of the statement:
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html#urls-auth-none"""
    before = Policy.get_policy

    def get_policy(self: Policy) -> dict[str, Any]:
        for statement in self.statements:
            if auth_type := statement.pop("FunctionUrlAuthType", None):
                statement["Condition"] = {"StringEquals": {"lambda:FunctionUrlAuthType": auth_type}}
            if statement.pop("InvokedViaFunctionUrl", None):
                statement["Condition"] = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
        return before(self)

    Policy.get_policy = get_policy  # type: ignore[method-assign]


class _OfFunction:
    """A resource that moto makes by Lambda's API, but not by CloudFormation. Its id is the function's name."""

    def __init__(self, function: str) -> None:
        self.physical_resource_id = function

    @classmethod
    def put(cls, functions: LambdaBackend, properties: dict[str, Any]) -> _OfFunction:
        raise NotImplementedError

    @classmethod
    def remove(cls, functions: LambdaBackend, name: str) -> None:
        raise NotImplementedError

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> _OfFunction:
        return cls.put(get_backend(account_id, region_name), dict(cloudformation_json["Properties"]))

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> _OfFunction:
        cls.remove(get_backend(account_id, region_name), original_resource.physical_resource_id)
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Accept that function and configuration are gone already: CloudFormation takes what isn't found for deleted:
        https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract.html"""
        with suppress(UnknownFunctionException, GenericResourcNotFound):
            cls.remove(get_backend(account_id, region_name), resource_name)


class _EventInvokeConfig(_OfFunction, CloudFormationModel):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventinvokeconfig.html"""

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::EventInvokeConfig"

    @classmethod
    def put(cls, functions: LambdaBackend, properties: dict[str, Any]) -> _OfFunction:
        name = properties.pop("FunctionName")
        assert properties.pop("Qualifier") == "$LATEST"
        functions.put_function_event_invoke_config(name, properties)
        return cls(name)

    @classmethod
    def remove(cls, functions: LambdaBackend, name: str) -> None:
        functions.delete_function_event_invoke_config(name)


class _FunctionUrl(_OfFunction, CloudFormationModel):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-url.html"""

    url = ""

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Url"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "FunctionUrl"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.url

    @classmethod
    def put(cls, functions: LambdaBackend, properties: dict[str, Any]) -> _OfFunction:
        made = cls(properties.pop("TargetFunctionArn"))
        made.url = functions.create_function_url_config(made.physical_resource_id, properties).url
        return made

    @classmethod
    def remove(cls, functions: LambdaBackend, name: str) -> None:
        functions.delete_function_url_config(name)

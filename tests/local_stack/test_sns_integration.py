"""API Gateway → SNS without a function (ops/local/aws/sns_integration.py, mapping_template.py).

The API is defined by CloudFormation, with the properties of
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigateway-method.html
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import requests

from tests.local_stack.local_aws import REGION, LocalAws, allow, sample, wait_for

FORM = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
TEMPLATE = """Action=Publish&TopicArn=$util.urlEncode('%(topic)s')##
&Message=$util.urlEncode($input.params('mode'))##
&MessageAttributes.entry.1.Name=request##
&MessageAttributes.entry.1.Value.DataType=String##
&MessageAttributes.entry.1.Value.StringValue=$context.requestId##
#if($input.params('site') != '')
&MessageAttributes.entry.2.Name=site##
&MessageAttributes.entry.2.Value.DataType=String##
&MessageAttributes.entry.2.Value.StringValue=$util.urlEncode($input.params('site'))##
#else
&Subject=none##
#end"""
OK = {
    "StatusCode": "200",
    "ResponseTemplates": {"application/json": """{"id": "$input.path('$.PublishResponse.PublishResult.MessageId')"}"""},
}
ERRORS = {
    "StatusCode": "502",
    "SelectionPattern": "4\\d{2}",
    "ResponseTemplates": {"application/json": """{"code": $input.json('$.Error.Code')}"""},
}


def request_id(answer: requests.Response) -> str:
    """The API's; MiniStack adds another of its own."""
    return answer.headers["x-amzn-RequestId"].partition(",")[0]


class Api:
    """An API whose GET and POST / go to SNS, and the topic's messages."""

    def __init__(self, aws: LocalAws, **integration: Any) -> None:
        self.aws = aws
        self.topic, _ = aws.topic()
        self.queue, queue = aws.queue(lets_in="sns.amazonaws.com")
        aws.client("sns").subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue)
        responses = integration.pop("method_responses", [{"StatusCode": status} for status in ("200", "302", "502")])
        template = integration.pop("template", TEMPLATE)
        properties = {
            "Type": "AWS",
            "IntegrationHttpMethod": "POST",
            "Uri": f"arn:aws:apigateway:{REGION}:sns:action/Publish",
            "Credentials": aws.role(allow("sns:Publish", self.topic), trusts="apigateway.amazonaws.com"),
            "RequestParameters": FORM,
            "RequestTemplates": {"application/json": template % {"topic": self.topic} if template else ""},
            "IntegrationResponses": [OK, ERRORS],
            **integration,
        }
        if not template:
            del properties["RequestTemplates"]
        methods = {
            f"Method{verb}": {
                "Type": "AWS::ApiGateway::Method",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                    "HttpMethod": verb,
                    "AuthorizationType": "NONE",
                    "RequestParameters": {"method.request.querystring.mode": False},
                    "Integration": properties,
                    "MethodResponses": responses,
                },
            }
            for verb in ("GET", "POST")
        }
        deployment = {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": list(methods),
            "Properties": {"RestApiId": {"Ref": "Api"}, "StageName": "api"},
        }
        rest_api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "send"}}
        stack = {
            "Resources": {"Api": rest_api, **methods, "Deployment": deployment},
            "Outputs": {"Id": {"Value": {"Ref": "Api"}}},
        }
        formation = aws.client("cloudformation")
        name = f"stack-{uuid.uuid4().hex[:8]}"
        formation.create_stack(StackName=name, TemplateBody=json.dumps(stack))

        def finished() -> dict[str, Any] | None:
            found: dict[str, Any] = formation.describe_stacks(StackName=name)["Stacks"][0]
            assert found["StackStatus"] in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
            return found if found["StackStatus"] == "CREATE_COMPLETE" else None

        api = wait_for(finished)["Outputs"][0]["OutputValue"]
        self.url = f"{aws.endpoint}/restapis/{api}/api/_user_request_/"

    def get(self, query: str = "mode=open%20sesame%26x%3D1%20%C3%A9&site=a.test") -> requests.Response:
        return requests.get(f"{self.url}?{query}", allow_redirects=False, timeout=60)

    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = self.aws.body(self.queue)
        return found


def test_a_request_is_published_through_both_branches_of_the_template(aws: LocalAws) -> None:
    api = Api(aws)
    answer = api.get()
    message = api.message()

    assert answer.status_code == 200
    assert answer.json() == {"id": message["MessageId"]}
    assert message["Message"] == "open sesame&x=1 é"
    attributes = message["MessageAttributes"]
    assert attributes["site"] == {"Type": "String", "Value": "a.test"}
    assert attributes["request"]["Value"] == request_id(answer)
    assert "Subject" not in message
    assert api.get("mode=x").status_code == 200
    message = api.message()
    assert (message["Subject"], "site" in message["MessageAttributes"]) == ("none", False)


def test_a_path_style_uri_and_a_json_body(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegration.html: "path" as well as "action"."""
    template = "Action=Publish&TopicArn=%(topic)s&Message=$util.urlEncode($input.path('$.pet.name'))"
    api = Api(aws, template=template, Uri=f"arn:aws:apigateway:{REGION}:sns:path/")
    answer = requests.post(api.url, json={"pet": {"name": "Rex & Co"}}, timeout=60)
    assert answer.status_code == 200
    assert api.message()["Message"] == "Rex & Co"


def test_mapped_query_parameters_reach_the_action(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-parameter-mapping.html"""
    topic_of_another, _ = aws.topic()
    queue_url, queue = aws.queue(lets_in="sns.amazonaws.com")
    aws.client("sns").subscribe(TopicArn=topic_of_another, Protocol="sqs", Endpoint=queue)
    role = aws.role(allow("sns:Publish", topic_of_another), trusts="apigateway.amazonaws.com")
    mapped = {
        "integration.request.querystring.TopicArn": f"'{topic_of_another}'",
        "integration.request.querystring.Message": "method.request.querystring.mode",
    }
    api = Api(aws, template="", RequestParameters=mapped, Credentials=role)
    assert api.get("mode=hello").status_code == 200
    assert aws.body(queue_url)["Message"] == "hello"


def test_a_role_without_publish_is_an_error_of_the_back_end(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/api/API_IntegrationResponse.html: the status is matched."""
    api = Api(aws, Credentials=aws.role(trusts="apigateway.amazonaws.com"))
    answer = api.get()
    assert answer.status_code == 502
    assert answer.json()["code"].startswith(("AuthorizationError", "AccessDenied"))
    assert aws.is_empty(api.queue)


def test_a_role_that_does_not_trust_api_gateway_is_an_error_of_configuration(aws: LocalAws) -> None:
    api = Api(aws, Credentials=aws.role(allow("sns:Publish"), trusts="lambda.amazonaws.com"))
    answer = api.get()
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error"})
    assert aws.is_empty(api.queue)


def test_an_answer_of_sns_without_a_matching_response_is_an_error(aws: LocalAws) -> None:
    only_success = {**OK, "SelectionPattern": "2\\d{2}"}
    api = Api(aws, IntegrationResponses=[only_success])
    assert api.get().status_code == 200
    assert api.get("mode=").status_code == 500


def test_a_form_without_its_content_type_is_not_read(aws: LocalAws) -> None:
    api = Api(aws, RequestParameters={})
    assert api.get().status_code == 502
    assert aws.is_empty(api.queue)


def test_a_response_that_the_method_does_not_declare_is_an_error(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/api/API_IntegrationResponse.html: "must map to an existing"."""
    api = Api(aws, method_responses=[{"StatusCode": "400"}])
    assert api.get().status_code == 500


def test_headers_are_mapped_from_texts_body_and_context(aws: LocalAws) -> None:
    headers = {
        "method.response.header.Location": "'https://a.test/thanks'",
        "method.response.header.X-Message": "integration.response.body.PublishResponse.PublishResult.MessageId",
        "method.response.header.X-Request": "context.requestId",
    }
    api = Api(
        aws,
        IntegrationResponses=[{"StatusCode": "302", "ResponseParameters": headers}],
        method_responses=[{"StatusCode": "302", "ResponseParameters": dict.fromkeys(headers, True)}],
    )
    answer = api.get()
    assert answer.status_code == 302
    assert answer.headers["Location"] == "https://a.test/thanks"
    assert answer.headers["X-Message"] == api.message()["MessageId"]
    assert answer.headers["X-Request"] == request_id(answer)


def test_an_override_of_status_and_header_is_final(aws: LocalAws) -> None:
    template = (
        "#if($input.path('$.Error.Code') != '')#set($context.responseOverride.status = 422)"
        '#set($context.responseOverride.header.X-Code = $input.path("$.Error.Code"))#end{}'
    )
    api = Api(aws, IntegrationResponses=[{"StatusCode": "200", "ResponseTemplates": {"application/json": template}}])
    refused = api.get("mode=")
    assert (refused.status_code, refused.headers["X-Code"]) == (422, "InvalidParameter")


def published(aws: LocalAws, template: str, query: str = "", method: str = "GET", **more: Any) -> str:
    """What a template makes of a request, sent as the message."""
    # Set, rendered, and only then encoded: the template stands for itself.
    head = "Action=Publish&TopicArn=%(topic)s&Message="
    api = Api(aws, template=head + template.replace("%", "%%"))
    answer = requests.request(method, f"{api.url}?{query}", timeout=60, **more)
    assert answer.status_code == 200, answer.text
    text: str = api.message()["Message"]
    return text


def test_all_parameters_are_listed_as_in_aws_example(aws: LocalAws) -> None:
    made = published(aws, sample("mapping-templates")["all_parameters"], "name=O%27Hara", headers={"X-Pet": "Rex"})
    parameters = json.loads(made.replace("\\'", "'"))["params"]
    assert parameters.keys() == {"path", "querystring", "header"}
    assert parameters["querystring"] == {"name": "O'Hara"}
    assert parameters["header"]["x-pet"] == "Rex"


def test_things_are_counted_as_in_aws_example(aws: LocalAws) -> None:
    example = sample("mapping-templates")["things"]
    made = published(aws, example["template"], "id=abc", "POST", json=example["body"])
    assert json.loads(made) == example["output"]


def test_a_template_overrides_the_status_as_in_aws_example(aws: LocalAws) -> None:
    override = sample("mapping-templates")["override_status"]
    template = {"ResponseTemplates": {"application/json": override}}
    api = Api(aws, IntegrationResponses=[{**OK, **template}])
    assert api.get().status_code == 200
    refused = api.get("mode=")
    assert refused.json()["Error"]["Code"] == "InvalidParameter"
    # Of the example: whatever holds "error" is a 400; SNS writes "Error", and an id may hold anything.
    assert refused.status_code == (400 if "error" in refused.text else 200)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("#if(1 == 1 && !false)yes#{else}no#end", "yes"),
        ("#if($input.params('a') == 'b')1#elseif($input.params('a') == 'c')2#{else}3#end", "2"),
        ("#if($input.params('a').matches('[a-c]') || $missing)1#{else}0#end", "1"),
        ("#if($missing)1#{else}0#end", "0"),
        ("#set($n = 2 * (3 + 4))$n", "14"),
        ("#if(2 > 1 and 'a' != 'b')#if(1 >= 2)x#{else}y#end#end", "y"),
        ("$util.base64Decode($util.base64Encode('caf'))", "caf"),
        ('$util.parseJson(\'{"k":"v"}\').k', "v"),
        ("$util.escapeJavaScript('a\"b')", 'a\\"b'),
        ("#set($s = 'a-b')$s.replaceAll('-', '').toUpperCase()", "AB"),
        # Where airspeed reads Velocity otherwise, in one template.
        (
            "[$missing]#if('')1#end#if(!$missing)2#end#if('3' == 3)3#end#{if}(true)4#{end}"
            "#set($m = {'a': 5, 'b': 6})#foreach($v in $m)$v#if($foreach.hasNext)-$foreach.hasNext-#end#end $m",
            '[]12345-true-6 {"a":5,"b":6}',
        ),
    ],
)
def test_velocity_directives_and_utilities(aws: LocalAws, template: str, expected: str) -> None:
    """https://velocity.apache.org/engine/1.7/vtl-reference.html and the $util table of AWS's page."""
    assert published(aws, template, "a=c") == expected


def test_a_template_that_is_not_closed_is_an_error_of_configuration(aws: LocalAws) -> None:
    api = Api(aws, template="#if(1 == 1)Action=Publish&TopicArn=%(topic)s&Message=x")
    assert api.get().status_code == 500

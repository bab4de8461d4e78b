"""A service is let in by the resource's policy only (ops/local/aws/resource_policy.py, dead_letters.py)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from email.message import Message

import pytest

from tests.local_stack.local_aws import ACCOUNT, REGION, LocalAws, wait_for

ECHO = "def handler(event, context): return {'statusCode': 200, 'body': 'hello'}"


def watched(aws: LocalAws) -> tuple[str, str]:
    """A function, and the queue to which each asynchronous invocation of it reports."""
    url, queue = aws.queue()
    function = aws.function(ECHO, {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue})
    aws.destinations(function, success=queue)
    return function, url


def failed_notifications(aws: LocalAws, topic: str) -> float:
    return aws.metric("AWS/SNS", "NumberOfNotificationsFailed", TopicName=topic.rsplit(":", 1)[-1])


def test_sns_is_refused_without_permission_and_does_not_retry(aws: LocalAws) -> None:
    function, reports = watched(aws)
    topic, _ = aws.topic(function, permit=False)

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    assert wait_for(lambda: failed_notifications(aws, topic)) == 1
    aws.permit(function, "sns.amazonaws.com", topic)
    aws.client("sns").publish(TopicArn=topic, Message="again")
    assert aws.body(reports)["requestPayload"]["Records"][0]["Sns"]["Message"] == "again"
    assert aws.is_empty(reports)
    assert failed_notifications(aws, topic) == 1


def test_a_permission_for_another_topic_does_not_count(aws: LocalAws) -> None:
    function, reports = watched(aws)
    other, _ = aws.topic()
    topic, _ = aws.topic(function, permit=False)
    aws.permit(function, "sns.amazonaws.com", other)

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    assert wait_for(lambda: failed_notifications(aws, topic)) == 1
    assert aws.is_empty(reports)


def test_what_sns_could_not_deliver_goes_to_the_subscriptions_dead_letters(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    url, queue = aws.queue(lets_in="sns.amazonaws.com")
    function, _ = watched(aws)
    topic, _ = aws.topic(function, permit=False, RedrivePolicy=json.dumps({"deadLetterTargetArn": queue}))

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    kept = aws.body(url)
    assert (kept["Type"], kept["TopicArn"], kept["Message"]) == ("Notification", topic, "hello")


def test_what_a_queue_does_not_take_from_sns_goes_to_the_subscriptions_dead_letters(aws: LocalAws) -> None:
    """The endpoint's owner changed its policy, or deleted it:
    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    url, letters = aws.queue(lets_in="sns.amazonaws.com")
    closed, queue = aws.queue()
    topic, _ = aws.topic()
    policy = json.dumps({"deadLetterTargetArn": letters})
    for endpoint in (queue, f"{queue}-that-is-gone"):
        aws.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes={"RedrivePolicy": policy}
        )

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    assert [aws.body(url)["Message"], aws.body(url)["Message"]] == ["hello", "hello"]
    assert aws.is_empty(closed)


def test_dead_letters_need_the_queues_permission(aws: LocalAws) -> None:
    url, queue = aws.queue()
    function, _ = watched(aws)
    topic, _ = aws.topic(function, permit=False, RedrivePolicy=json.dumps({"deadLetterTargetArn": queue}))

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    assert wait_for(lambda: failed_notifications(aws, topic)) == 1
    assert aws.is_empty(url)


def put(aws: LocalAws, bus: str) -> None:
    entry = {"EventBusName": bus, "Source": "shop", "DetailType": "order", "Detail": '{"id": 1}'}
    assert aws.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_rule_is_refused_without_permission(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-lambda-permissions"""
    function, reports = watched(aws)
    bus, _ = aws.bus()
    rule = aws.rule(bus, function, {"source": ["shop"]})

    put(aws, bus)

    name = rule.rsplit("/", 1)[-1]
    assert wait_for(lambda: aws.metric("AWS/Events", "FailedInvocations", RuleName=name)) == 1
    assert aws.is_empty(reports)
    aws.permit(function, "events.amazonaws.com", rule)
    put(aws, bus)
    assert aws.body(reports)["requestPayload"]["detail"] == {"id": 1}


def test_what_a_rule_could_not_deliver_goes_to_the_targets_dead_letters(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html"""
    url, queue = aws.queue(lets_in="events.amazonaws.com")
    function, _ = watched(aws)
    bus, _ = aws.bus()
    rule = aws.rule(bus, function, {"source": ["shop"]}, DeadLetterConfig={"Arn": queue})

    put(aws, bus)

    message = aws.message(url)
    assert json.loads(message["Body"])["detail"] == {"id": 1}
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (attributes["RULE_ARN"], attributes["TARGET_ARN"]) == (rule, function)
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"


def test_a_rule_needs_the_queues_policy(aws: LocalAws) -> None:
    bus, _ = aws.bus()
    closed_url, closed = aws.queue()
    open_url, opened = aws.queue(lets_in="events.amazonaws.com")
    aws.rule(bus, closed, {"source": ["shop"]})
    aws.rule(bus, opened, {"source": ["shop"]})

    put(aws, bus)

    assert aws.body(open_url)["source"] == "shop"
    assert aws.is_empty(closed_url)


def api_of(aws: LocalAws, function: str) -> str:
    """The id of an API whose GET /pets/{id} at stage "api" is a proxy of the function."""
    gateway = aws.client("apigateway")
    api: str = gateway.create_rest_api(name="pets")["id"]
    parent = gateway.get_resources(restApiId=api)["items"][0]["id"]
    for part in ("pets", "{id}"):
        parent = gateway.create_resource(restApiId=api, parentId=parent, pathPart=part)["id"]
    at = {"restApiId": api, "resourceId": parent, "httpMethod": "GET"}
    gateway.put_method(**at, authorizationType="NONE")
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
    gateway.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="api")
    return api


def get(aws: LocalAws, api: str) -> tuple[int, str]:
    status, text, _ = request(f"{aws.endpoint}/restapis/{api}/api/_user_request_/pets/7")
    return status, text


def request(url: str) -> tuple[int, str, Message]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def test_an_api_is_refused_without_permission(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-permissions"""
    function = aws.function(ECHO)
    api = api_of(aws, function)
    assert get(aws, api) == (500, '{"message": "Internal server error"}')

    aws.permit(function, "apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:other/*")
    assert get(aws, api)[0] == 500

    aws.permit(function, "apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*")
    assert get(aws, api) == (200, "hello")


def test_an_api_with_method_and_path_in_the_permission_is_let_in(aws: LocalAws) -> None:
    function = aws.function(ECHO)
    api = api_of(aws, function)
    source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/GET/pets/*"
    aws.permit(function, "apigateway.amazonaws.com", source)
    assert get(aws, api) == (200, "hello")


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("def handler(event, context): raise ValueError('what only the log may say')", 502),
        ("def handler(event, context): return 'no proxy response'", 502),
        ("import nothing_like_this", 502),
    ],
)
def test_a_failing_function_answers_as_the_gateway_does(aws: LocalAws, source: str, status: int) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html (proxy_response.py)"""
    function = aws.function(source)
    api = api_of(aws, function)
    aws.permit(function, "apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*")
    gateway = aws.client("apigateway")
    header = {"gatewayresponse.header.X-Mine": "'1'"}
    gateway.put_gateway_response(restApiId=api, responseType="DEFAULT_5XX", responseParameters=header)
    gateway.create_deployment(restApiId=api, stageName="api")

    got, text, headers = request(f"{aws.endpoint}/restapis/{api}/api/_user_request_/pets/7")

    assert (got, json.loads(text), headers["X-Mine"]) == (status, {"message": "Internal server error"}, "1")


def test_a_throttled_function_is_a_500(aws: LocalAws) -> None:
    """Of the same page: "If the Lambda API rejects the invocation request, API Gateway returns a 500"."""
    function = aws.function(ECHO)
    api = api_of(aws, function)
    aws.permit(function, "apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*")
    aws.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    status, text = get(aws, api)
    assert (status, json.loads(text)) == (500, {"message": "Internal server error"})


def test_a_role_of_the_account_needs_its_own_policy_only(aws: LocalAws) -> None:
    function = aws.function(ECHO)
    invokes = """
import boto3
def handler(event, context):
    return boto3.client("lambda").invoke(FunctionName=event)["StatusCode"]
"""
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    assert aws.invoke(aws.function(invokes, allow), function) == (200, None)
    payload, error = aws.invoke(aws.function(invokes), function)
    assert error == "Unhandled"
    assert "lambda:InvokeFunction" in payload["errorMessage"]

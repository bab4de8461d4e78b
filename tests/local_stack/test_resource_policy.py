"""A service is let in by the resource's policy only (ops/local/aws/resource_policy.py, dead_letters.py)."""

from __future__ import annotations

import json

import pytest
import requests

from tests.local_stack.local_aws import ACCOUNT, REGION, LocalAws, allow, wait_for

ECHO = "def handler(event, context): return {'statusCode': 200, 'body': 'hello'}"


def failed_notifications(aws: LocalAws, topic: str) -> float:
    return aws.metric("AWS/SNS", "NumberOfNotificationsFailed", TopicName=topic.rsplit(":", 1)[-1])


def test_sns_is_refused_without_permission_and_does_not_retry(aws: LocalAws) -> None:
    function, reports = aws.reporting(ECHO, "success")
    topic, _ = aws.topic(function, permit=False)

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    assert wait_for(lambda: failed_notifications(aws, topic)) == 1
    aws.permit(function, "sns.amazonaws.com", topic)
    aws.client("sns").publish(TopicArn=topic, Message="again")
    assert aws.body(reports)["requestPayload"]["Records"][0]["Sns"]["Message"] == "again"
    assert aws.is_empty(reports)
    assert failed_notifications(aws, topic) == 1


def test_a_permission_for_another_topic_does_not_count(aws: LocalAws) -> None:
    function, reports = aws.reporting(ECHO, "success")
    other, _ = aws.topic()
    topic, _ = aws.topic(function, permit=False)
    aws.permit(function, "sns.amazonaws.com", other)

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    assert wait_for(lambda: failed_notifications(aws, topic)) == 1
    assert aws.is_empty(reports)


def publish_to_one_that_is_refused(aws: LocalAws, dead_letters: str) -> str:
    """The topic's ARN."""
    redrive = json.dumps({"deadLetterTargetArn": dead_letters})
    topic, _ = aws.topic(aws.function(ECHO), permit=False, RedrivePolicy=redrive)
    aws.client("sns").publish(TopicArn=topic, Message="hello")
    return topic


def test_what_sns_could_not_deliver_goes_to_the_subscriptions_dead_letters(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html"""
    url, queue = aws.queue(lets_in="sns.amazonaws.com")
    topic = publish_to_one_that_is_refused(aws, queue)
    kept = aws.body(url)
    assert (kept["Type"], kept["TopicArn"], kept["Message"]) == ("Notification", topic, "hello")


def test_dead_letters_need_the_queues_permission(aws: LocalAws) -> None:
    url, queue = aws.queue()
    topic = publish_to_one_that_is_refused(aws, queue)
    assert wait_for(lambda: failed_notifications(aws, topic)) == 1
    assert aws.is_empty(url)


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


def put(aws: LocalAws, bus: str) -> None:
    entry = {"EventBusName": bus, "Source": "shop", "DetailType": "order", "Detail": '{"id": 1}'}
    assert aws.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_rule_is_refused_without_permission(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-lambda-permissions"""
    function, reports = aws.reporting(ECHO, "success")
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
    function = aws.function(ECHO)
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


def get(aws: LocalAws, api: str) -> requests.Response:
    return requests.get(f"{aws.endpoint}/restapis/{api}/api/_user_request_/pets/7", timeout=60)


def says_hello(answer: requests.Response) -> bool:
    return (answer.status_code, answer.text) == (200, "hello")


def let_in(aws: LocalAws, function: str, source: str) -> None:
    aws.permit(function, "apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{source}")


def test_an_api_is_refused_without_permission(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-permissions"""
    function = aws.function(ECHO)
    api = api_of(aws, function)
    answer = get(aws, api)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error"})

    for wrong in ("other/*", f"{api}/*/POST/pets/*"):
        let_in(aws, function, wrong)
        assert get(aws, api).status_code == 500

    let_in(aws, function, f"{api}/*")
    assert says_hello(get(aws, api))


def test_an_api_with_method_and_path_in_the_permission_is_let_in(aws: LocalAws) -> None:
    function = aws.function(ECHO)
    api = api_of(aws, function)
    let_in(aws, function, f"{api}/*/GET/pets/*")
    assert says_hello(get(aws, api))


@pytest.mark.parametrize(
    "source",
    [
        "def handler(event, context): raise ValueError('what only the log may say')",
        "def handler(event, context): return 'no proxy response'",
        "import nothing_like_this",
    ],
)
def test_a_failing_function_answers_as_the_gateway_does(aws: LocalAws, source: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html (proxy_response.py)"""
    function = aws.function(source)
    api = api_of(aws, function)
    let_in(aws, function, f"{api}/*")
    gateway = aws.client("apigateway")
    header = {"gatewayresponse.header.X-Mine": "'1'"}
    gateway.put_gateway_response(restApiId=api, responseType="DEFAULT_5XX", responseParameters=header)
    gateway.create_deployment(restApiId=api, stageName="api")

    answer = get(aws, api)

    assert (answer.status_code, answer.headers["X-Mine"]) == (502, "1")
    assert answer.json() == {"message": "Internal server error"}


def test_a_throttled_function_is_a_500(aws: LocalAws) -> None:
    """Of the same page: "If the Lambda API rejects the invocation request, API Gateway returns a 500"."""
    function = aws.function(ECHO)
    api = api_of(aws, function)
    let_in(aws, function, f"{api}/*")
    aws.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    answer = get(aws, api)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error"})


def test_a_role_of_the_account_needs_its_own_policy_only(aws: LocalAws) -> None:
    function = aws.function(ECHO)
    invokes = """
import boto3
def handler(event, context):
    return boto3.client("lambda").invoke(FunctionName=event)["StatusCode"]
"""
    assert aws.invoke(aws.function(invokes, allow("lambda:InvokeFunction", function)), function) == (200, None)
    payload, error = aws.invoke(aws.function(invokes), function)
    assert error == "Unhandled"
    assert "lambda:InvokeFunction" in payload["errorMessage"]

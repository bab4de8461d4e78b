"""The lower bound for every other function: the same calls, unsigned, with only the standard library."""

import http.client
import json
import os
import time
from urllib.parse import urlencode, urlsplit


def _connected(url):
    address = urlsplit(url)
    if address.scheme != "https":
        return http.client.HTTPConnection(address.netloc, timeout=5)
    import ssl

    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    return http.client.HTTPSConnection(address.netloc, timeout=5, context=context)


aws = _connected(os.environ["AWS_ENDPOINT_URL"])


def _call(connection, path, body, headers):
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    text = response.read()
    if response.status >= 300:
        raise RuntimeError(response.status)
    return text


def _dynamodb(operation, **request):
    target = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    return json.loads(_call(aws, "/", json.dumps({"TableName": os.environ["TABLE"], **request}), target))


def _secrets(*names):
    target = {"X-Amz-Target": "AmazonSSM.GetParameters", "Content-Type": "application/x-amz-json-1.1"}
    found = json.loads(_call(aws, "/", json.dumps({"Names": names, "WithDecryption": True}), target))["Parameters"]
    return {each["Name"].rpartition("/")[2]: each["Value"] for each in found}


kept = {}


def destined(event, context):
    message = json.loads(event["Records"][0]["Sns"]["Message"])
    now = str(int(time.time()))
    _dynamodb("PutItem", Item={"id": {"S": f"content#{hash(str(message['fields']))}"}, "at": {"N": now}})
    _dynamodb("PutItem", Item={"id": {"S": f"fields#{message['id']}"}, "fields": {"S": json.dumps(message["fields"])}})
    _dynamodb("PutItem", Item={"id": {"S": message["id"]}, "site": {"S": message["site"]}})
    _dynamodb("UpdateItem", Key={"id": {"S": "rings#pushover"}}, UpdateExpression="SET s = :s")
    _dynamodb("UpdateItem", Key={"id": {"S": message["id"]}}, UpdateExpression="SET s = :s")
    request = {"version": 1, "id": message["id"], "title": "New submission", "message": str(message["fields"])}
    path = f"/2015-03-31/functions/{os.environ['NOTIFIER']}/invocations"
    answer = json.loads(_call(aws, path, json.dumps(request), {}))
    _dynamodb("UpdateItem", Key={"id": {"S": message["id"]}}, UpdateExpression="SET s = :s")
    return {"action": answer["status"]}


def notify_pushover(event, context):
    if not kept:
        kept.update(_secrets("/herald/local/pushover/token", "/herald/local/pushover/user"))
        kept["connection"] = _connected(os.environ["PROVIDER"])
    form = {"title": event["title"], "message": event["message"], "token": kept["token"], "user": kept["user"]}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    told = json.loads(_call(kept["connection"], urlsplit(os.environ["PROVIDER"]).path, urlencode(form), headers))
    return {"status": "delivered", "reference": told["request"]}


def notify_webhook(event, context):
    if not kept:
        kept.update(_secrets("/herald/local/team/url", "/herald/local/team/secret"))
        kept["connection"] = _connected(kept["url"])
    body = json.dumps({"title": event["title"], "message": event["message"]})
    _call(kept["connection"], urlsplit(kept["url"]).path, body, {"webhook-id": event["id"]})
    return {"status": "delivered", "reference": event["id"]}


def notify_email(event, context):
    content = {"Simple": {"Subject": {"Data": event["title"]}, "Body": {"Text": {"Data": event["message"]}}}}
    request = {"FromEmailAddress": "herald@example.com", "Content": content}
    told = json.loads(_call(aws, "/v2/email/outbound-emails", json.dumps(request), {}))
    return {"status": "delivered", "reference": told["MessageId"]}


def retry_due(event, context):
    for _ in _dynamodb("Query", IndexName="due")["Items"]:
        pass


def canary(event, context):
    form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": os.environ["TOPIC_ARN"], "Message": "canary"}
    _call(aws, "/", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})


def digest(event, context):
    for site in ("default", "notifications"):
        key = {"id": {"S": f"digest#{site}"}}
        _dynamodb("GetItem", Key=key)
        counted = len(_dynamodb("Query", IndexName="site")["Items"])
        _dynamodb("UpdateItem", Key=key, UpdateExpression="SET reported_until = :until")
        assert not counted


def on_failure(event, context):
    print(json.dumps({"level": "ERROR", "condition": event["detail"]["requestContext"]["condition"]}))
    _dynamodb("UpdateItem", Key={"id": {"S": "alarm#"}}, UpdateExpression="SET notified_at = :now")
    sns = event["detail"]["requestPayload"]["Records"][0]["Sns"]
    item = _dynamodb("GetItem", Key={"id": {"S": json.loads(sns["Message"])["id"]}})["Item"]
    request = {"version": 1, "id": "alarm", "title": "Not delivered", "message": item["id"]["S"]}
    _call(aws, f"/2015-03-31/functions/{os.environ['NOTIFIER']}/invocations", json.dumps(request), {})


def get_message(event, context):
    record, written = (
        _dynamodb("GetItem", Key={"id": {"S": key}})["Item"] for key in (event["id"], f"fields#{event['id']}")
    )
    return {"id": record["id"]["S"], "fields": json.loads(written["text"]["S"])["fields"]}


def get_message_url(event, context):
    return {"statusCode": 200, "body": json.dumps(get_message(event["queryStringParameters"], context))}


def list_messages(event, context):
    page = _dynamodb("Query", IndexName="site", ExpressionAttributeValues={":site": {"S": event["site"]}})
    return {"messages": [item["id"]["S"] for item in page["Items"]]}

"""Send a notification by Pushover. boto3 reads the secrets; urllib3, which boto3 has loaded, calls the provider."""

import json
import os

import boto3
import urllib3

ssm = boto3.client("ssm")
http = urllib3.PoolManager(timeout=10, retries=False)
NAMES = ["/herald/local/pushover/token", "/herald/local/pushover/user"]
secrets = {}


def handler(event, context):
    if not secrets:
        found = ssm.get_parameters(Names=NAMES, WithDecryption=True)["Parameters"]
        secrets.update({each["Name"].rpartition("/")[2]: each["Value"] for each in found})
    form = {"title": event["title"], "message": event["message"], **secrets}
    answer = http.request_encode_body("POST", os.environ["PROVIDER"], fields=form, encode_multipart=False)
    told = json.loads(answer.data)
    if answer.status != 200 or told["status"] != 1:
        raise RuntimeError(answer.status)
    return {"channel": "pushover", "status": "delivered", "reference": told["request"]}

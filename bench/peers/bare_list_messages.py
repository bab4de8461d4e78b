"""List a page of a site's messages with plain boto3."""

import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    page = dynamodb.query(
        TableName=os.environ["TABLE"],
        IndexName="site",
        KeyConditionExpression="site = :site",
        ExpressionAttributeValues={":site": {"S": event["site"]}},
        ScanIndexForward=False,
        Limit=50,
    )
    return {"messages": [item["id"]["S"] for item in page["Items"]]}

"""Send a notification by e-mail with plain boto3."""

import boto3
from botocore.config import Config

ses = boto3.client("sesv2", config=Config(read_timeout=7, retries={"total_max_attempts": 1}))


def handler(event, context):
    answer = ses.send_email(
        FromEmailAddress="herald@example.com",
        Destination={"ToAddresses": ["owner@example.org"]},
        Content={
            "Simple": {
                "Subject": {"Data": event["title"], "Charset": "UTF-8"},
                "Body": {"Text": {"Data": event["message"], "Charset": "UTF-8"}},
            }
        },
    )
    return {"channel": "email", "status": "delivered", "reference": answer["MessageId"]}

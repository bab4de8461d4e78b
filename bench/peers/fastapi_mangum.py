"""The contact form with FastAPI, Mangum and boto3."""

import json
import os
import time
import uuid
from typing import Annotated

import boto3
from fastapi import FastAPI, Form
from fastapi.responses import RedirectResponse
from mangum import Mangum

app = FastAPI()
sns = boto3.client("sns")
TOPIC = os.environ["TOPIC_ARN"]


@app.post("/contact")
def contact(
    message: Annotated[str, Form(min_length=1)],
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
):
    fields = {"name": name, "email": email, "message": message}
    text = {"id": str(uuid.uuid4()), "site": "default", "received_at": int(time.time()), "fields": fields}
    sns.publish(
        TopicArn=TOPIC,
        Message=json.dumps(text),
        MessageAttributes={
            "site": {"DataType": "String", "StringValue": "default"},
            "kind": {"DataType": "String", "StringValue": "contact"},
        },
    )
    return RedirectResponse("https://www.example.com/thanks.html", status_code=303)


handler = Mangum(app, lifespan="off")

"""An empty Chalice app that logs the line of ``on_success`` with Powertools: the minimum start of such an app."""

import json

from aws_lambda_powertools.logging import Logger
from chalice.app import Chalice, ConvertToMiddleware

logger = Logger(service="empty")
app = Chalice(app_name="empty", configure_logs=False)
app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context(clear_state=True)))


@app.lambda_function()
def handler(event, context):
    detail = event["detail"]
    message = json.loads(detail["requestPayload"]["Records"][0]["Sns"]["Message"])
    logger.info("Message handled", extra={"message_id": message["id"], "action": detail["responsePayload"]["action"]})

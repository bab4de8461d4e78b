"""What the two libraries cost that every function of Herald stands on: a Chalice app that logs one line."""

from aws_lambda_powertools.logging import Logger
from chalice.app import Chalice, ConvertToMiddleware

logger = Logger(service="herald")
app = Chalice(app_name="herald", configure_logs=False)
app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context(clear_state=True)))


@app.lambda_function()
def handler(event, context):
    logger.info("Message handled", extra={"condition": event["detail"]["requestContext"]["condition"]})

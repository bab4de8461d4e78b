"""Structured logs: one JSON object a line, without anything that a visitor typed.

The correlation id is the message's id, in the API, in ``destined``, in every notifier and in the rules' handlers.
"""

from aws_lambda_powertools.logging import Logger

logger = Logger(service="herald")

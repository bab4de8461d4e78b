"""Herald: a contact form and notification backend for static sites. This file is the map.

    browser ── POST /contact ──▶ contact ── publish ──▶ SNS topic ── async ──▶ destined ── invoke ──▶ notify_<kind>
                                                           ▲                      │
    GET /SendEvent (API Gateway → SNS, no Lambda) ─────────┘                      │ Lambda Destinations
                                                                                  ▼
                                                            EventBridge bus ── rules ──▶ on_success, on_failure

A channel is a way to reach the owner, named in ``herald.toml``; its kind, such as ``pushover``, decides which function
serves it. What each function may do, how long it may run and where its outcome goes: ``chalicelib/functions.py``.
"""

import os
import sys
from typing import Any

if "AWS_CHALICE_CLI_MODE" in os.environ and os.path.isdir("ops"):
    # Only Chalice's command line, in the checkout. `chalice local` would take new bytecode for a changed source file.
    sys.dont_write_bytecode = True
    from ops.cli import plain_chalice

    plain_chalice.refuse_harmful_command(sys.argv)

from chalice.app import Chalice, CloudWatchEvent, ConvertToMiddleware, Rate, Response, SNSEvent

from chalicelib import handlers
from chalicelib.composition import get_container
from chalicelib.logs import logger

app = Chalice(app_name="herald", configure_logs=False)
app.api.binary_types.append("multipart/form-data")  # API Gateway would take it for text and break other charsets.
app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context(clear_state=True)))

# Chalice registers functions while this file is imported, so the stage is needed now.
stage = get_container().stage


FORM_METHODS = ["POST", "OPTIONS", "GET", "HEAD", "PUT", "PATCH", "DELETE"]
"""All, so that a form without method="post" gets our error page and not the gateway's JSON."""


@app.route("/contact", methods=FORM_METHODS, content_types=["*/*"])
def contact() -> Response:
    """Accept a form of the default site. The handler decides on content types and origins."""
    return handlers.contact.answer(app.current_request, "default")


@app.route("/contact/{site}", methods=FORM_METHODS, content_types=["*/*"])
@app.route("/f/{site}", methods=FORM_METHODS, content_types=["*/*"], name="formspree")
def contact_of_site(site: str) -> Response:
    """Accept a form of any site in herald.toml. Formspree's client library uses addresses below /f/."""
    return handlers.contact.answer(app.current_request, site)


if stage.asks_for_proof:

    @app.route("/contact/{site}/challenge", methods=["GET"], content_types=["*/*"])
    def challenge(site: str) -> Response:
        """Return a proof-of-work challenge for the visitor's browser (ALTCHA)."""
        return handlers.contact.challenge(app.current_request, site)


@app.route("/health", methods=["GET"], content_types=["*/*"])
def health() -> dict[str, str]:
    """Answer 200 while the function runs. No other service is asked."""
    return {"status": "ok"}


@app.route("/openapi.json", methods=["GET"], content_types=["*/*"])
def openapi() -> Response:
    """The OpenAPI document of this API."""
    return handlers.openapi.answer(app.current_request)


@app.on_sns_message(topic=stage.topic)
def destined(event: SNSEvent) -> dict[str, object]:
    """Deliver a message to its owner. Lambda Destinations send what this returns or raises to the event bus."""
    return handlers.destined.handle(event.to_dict(), event.context)


@app.schedule(Rate(stage.retry_times.retry_minutes, unit=Rate.MINUTES))
def retry_due(event: CloudWatchEvent) -> None:
    """Queue the retries of messages that are due."""
    handlers.retry_due.handle()


if stage.canary:

    @app.schedule(Rate(stage.canary, unit=Rate.HOURS))
    def canary(event: CloudWatchEvent) -> None:
        """Publish a canary, which takes the whole path and notifies nobody. An alarm sounds when it doesn't arrive."""
        handlers.canary.send(event.context)


if stage.digest:

    @app.schedule(Rate(1, unit=Rate.HOURS))
    def digest(event: CloudWatchEvent) -> None:
        """Send each site's owner a daily summary, if anything happened."""
        handlers.digest.handle()


if stage.takes_files:

    @app.lambda_function()
    def examine(event: dict[str, Any], context: Any) -> dict[str, object]:
        """Find out what files are by their bytes, and read images' EXIF data. destined runs this."""
        return handlers.examine.handle(event, context)


if stage.uses("pushover"):

    @app.lambda_function()
    def notify_pushover(event: Any, context: Any) -> dict[str, object]:
        """Notify by Pushover; any program in the account may be granted this function."""
        return handlers.notify.handle("pushover", event, context)


if stage.uses("email"):

    @app.lambda_function()
    def notify_email(event: Any, context: Any) -> dict[str, object]:
        """Notify by e-mail through Amazon SES; any program in the account may be granted this function."""
        return handlers.notify.handle("email", event, context)


if stage.uses("apprise"):

    @app.lambda_function()
    def notify_apprise(event: Any, context: Any) -> dict[str, object]:
        """Notify by an Apprise API server of the owner's; any program in the account may be granted this function."""
        return handlers.notify.handle("apprise", event, context)


if stage.uses("ntfy"):

    @app.lambda_function()
    def notify_ntfy(event: Any, context: Any) -> dict[str, object]:
        """Notify by ntfy; any program in the account may be granted this function."""
        return handlers.notify.handle("ntfy", event, context)


if stage.uses("telegram"):

    @app.lambda_function()
    def notify_telegram(event: Any, context: Any) -> dict[str, object]:
        """Notify by a bot of Telegram; any program in the account may be granted this function."""
        return handlers.notify.handle("telegram", event, context)


if stage.uses("webhook"):

    @app.lambda_function()
    def notify_webhook(event: Any, context: Any) -> dict[str, object]:
        """Notify by Slack, Discord, Teams or a webhook of one's own; the request names the channel."""
        return handlers.notify.handle("webhook", event, context)


@app.lambda_function()
def get_message(event: Any, context: Any) -> dict[str, object]:
    """Return a stored message; any program in the account may be granted this function."""
    return handlers.stored_messages.get(event)


@app.lambda_function()
def list_messages(event: Any, context: Any) -> dict[str, object]:
    """Return a page of a site's messages; any program in the account may be granted this function."""
    return handlers.stored_messages.list_page(event, context)


if stage.function_url:

    @app.lambda_function()
    def get_message_url(event: dict[str, Any], context: Any) -> dict[str, object]:
        """Return a stored message over HTTP, at a function URL that takes signed requests."""
        return handlers.get_message_url.answer(event)


if stage.inbox:

    @app.lambda_function()
    def inbox(event: dict[str, Any], context: Any) -> dict[str, object]:
        """Show messages to an owner who opened the link in a notification, at a function URL of its own."""
        return handlers.inbox.answer(event, context)


@app.lambda_function()
def on_success(event: dict[str, Any], context: Any) -> None:
    """Log a handled message. A rule on the bus runs this."""
    handlers.on_success.handle(event)


@app.lambda_function()
def on_failure(event: dict[str, Any], context: Any) -> None:
    """Log and count a message that did not reach its owner, and notify the owner. Rules on the bus run this."""
    handlers.on_failure.handle(event)


if stage.autoreplies:

    @app.lambda_function()
    def autoreply(event: dict[str, Any], context: Any) -> None:
        """Answer a visitor by mail that their message has arrived. A rule on the bus runs this."""
        handlers.autoreply.handle(event)


handlers.preload(os.environ.get("_HANDLER", ""))  # What Lambda starts, such as app.destined: it loads its handler now.

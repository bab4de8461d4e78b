"""All routes of the local web server."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from ops.local.web import declared_providers, phone, stack_routes
from ops.local.web.arrived_pushes import Inbox
from ops.local.web.captcha_services import CaptchaServices
from ops.local.web.captcha_services import routes as captcha
from ops.local.web.example_site import Site
from ops.local.web.pushover import api as pushover
from ops.local.web.pushover.stand_in import StandIn
from ops.local.web.ses_stand_in import OUTBOUND, Ses
from ops.local.web.ses_stand_in import endpoint as ses_endpoint
from ops.local.web.ses_stand_in import routes as ses
from ops.local.web.settings import ApiAddress, WebSettings
from ops.local.web.webhook_receivers import Receivers
from ops.local.web.webhook_receivers import routes as webhooks
from ops.loopback.guard import LoopbackGuard


def create_app(settings: WebSettings) -> Starlette:
    """Create the ASGI application: one process, one event loop, all state in memory.

    ``app.state.api`` is the :class:`ApiAddress`, by which the running process sets the API's address.
    ``app.state.close()`` ends open streams and stalled answers.
    """
    api = ApiAddress(settings.api)
    inbox = Inbox()
    stand_in = StandIn(settings, inbox)
    receivers = Receivers(settings.clock)
    mail = Ses(settings.clock)
    declared = declared_providers.providers(settings.clock)
    captchas = CaptchaServices()
    app = Starlette(
        routes=[
            Mount("/_herald", routes=stack_routes.routes(api)),
            *phone.routes(inbox, settings.phone_directory, settings.app_name),
            Mount("/pushover", routes=pushover.routes(stand_in)),
            Mount("/webhooks", routes=webhooks(receivers)),
            Mount("/ses", routes=ses(mail)),
            Mount("/providers", routes=list(declared_providers.routes(declared))),
            Mount("/captcha", routes=captcha(captchas)),
            Route(OUTBOUND, ses_endpoint(mail), methods=["POST"]),
            Route("/{path:path}", Site(settings.site_directory, api).endpoint),
        ],
        middleware=[Middleware(LoopbackGuard)],
    )

    def close() -> None:
        inbox.close()
        stand_in.close()
        receivers.close()
        mail.close()
        for provider in declared.values():
            provider.close()
        captchas.close()

    app.state.api = api
    app.state.close = close
    return app

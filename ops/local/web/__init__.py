"""The local stack's web server: the example site, the phone page, and stand-ins for the providers."""

from ops.local.web.app import create_app
from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER, WebSettings

__all__ = ["LOCAL_TOKEN", "LOCAL_USER", "WebSettings", "create_app"]

"""Find the addresses of a deployed stage, and the ARNs of its grants' policies."""

from __future__ import annotations

from botocore.session import Session

from ops.aws import cloudformation
from ops.aws.account import Account
from ops.config.loader import LOCAL, StageConfig
from ops.deploy import api_domain, chalice_state
from ops.generate.render import API_STAGE
from ops.naming import AwsLocation, own_resource
from ops.service_descriptions import sharing_descriptions
from ops.templates import function_urls


def addresses(config: StageConfig, account: Account, web: str) -> dict[str, str]:
    """The addresses by name: ``form`` (the ``action`` of a form of site ``default``), ``form <name>`` of another site,
    ``api``, ``api_default`` (API Gateway's own where the stage has a domain), ``send_event``, ``get_message`` and
    ``inbox`` where the stage has them, ``grant <name>`` with the ARN of a policy; for stage ``local`` also ``site``,
    ``phone`` and ``aws``."""
    found: dict[str, str] = {}
    if address := api(config, account):
        others = [name for name in config.stage.sites if name != "default"]
        found |= {"form": f"{address}/contact", **{f"form {name}": f"{address}/contact/{name}" for name in others}}
        found["api"] = address
        default = _default(config, account)
        if default and default != address and config.domain and config.domain.default_address:
            found["api_default"] = default
    send_event = cloudformation.outputs(account.cloudformation, cloudformation.foundation(config.stage)).get(
        "SendEventApiId"
    )
    if send_event:
        found["send_event"] = f"{_base(account, send_event)}/SendEvent"
    wired = cloudformation.outputs(account.cloudformation, cloudformation.wiring(config.stage))
    if function_urls.FUNCTION_URL in wired:
        found["get_message"] = wired[function_urls.FUNCTION_URL]
    if function_urls.INBOX in wired:
        found["inbox"] = wired[function_urls.INBOX]
    for name in config.extensions.grants:
        output = own_resource("grant", name)
        if output in wired:
            found[f"grant {name}"] = wired[output]
    if config.stage.name == LOCAL:
        found |= {"site": f"{web}/", "phone": f"{web}/phone", "aws": account.endpoint or ""}
    return found


def api(config: StageConfig, account: Account) -> str | None:
    """The address of the API: at its own domain, once that stands, else the default; None where there is no API."""
    default = _default(config, account)
    return default and (api_domain.address(account, config.stage, config.domain) or default)


def _default(config: StageConfig, account: Account) -> str | None:
    """The address that API Gateway gives; None before a deployment."""
    api_id = chalice_state.rest_api_id(chalice_state.read(account.ssm, config.stage))
    return _base(account, api_id) if api_id else None


def _base(account: Account, api: str) -> str:
    if account.endpoint:
        return f"{account.endpoint}/restapis/{api}/{API_STAGE}/_user_request_"
    return rest_api(account.where, api)


def rest_api(where: AwsLocation, api: str) -> str:
    """The address of a REST API: https://docs.aws.amazon.com/general/latest/gr/apigateway.html"""
    partitions = sharing_descriptions(Session()).get_data("partitions")["partitions"]
    domain = next(each["outputs"]["dnsSuffix"] for each in partitions if each["id"] == where.partition)
    return f"https://{api}.execute-api.{where.region}.{domain}/{API_STAGE}"

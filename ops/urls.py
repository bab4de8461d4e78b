"""The addresses of a deployed stage."""

from __future__ import annotations

from ops import record, stacks
from ops.account import Account
from ops.config import LOCAL, StageConfig
from ops.render import API_STAGE

_DOMAIN = {"aws-cn": "amazonaws.com.cn"}


def addresses(config: StageConfig, account: Account, web: str) -> dict[str, str]:
    """``api`` (below it ``/contact``), ``send_event`` where the stage has it; for stage ``local`` also ``site``,
    ``phone`` and ``aws``."""
    found: dict[str, str] = {}
    api = record.rest_api_id(record.read(account.ssm, config.stage))
    if api:
        found["api"] = _base(account, api)
    send_event = stacks.outputs(account.cloudformation, stacks.foundation(config.stage)).get("SendEventApiId")
    if send_event:
        found["send_event"] = f"{_base(account, send_event)}/SendEvent"
    if config.stage.name == LOCAL:
        found |= {"site": f"{web}/", "phone": f"{web}/phone", "aws": account.endpoint or ""}
    return found


def _base(account: Account, api: str) -> str:
    if account.endpoint:
        return f"{account.endpoint}/restapis/{api}/{API_STAGE}/_user_request_"
    where = account.where
    domain = _DOMAIN.get(where.partition, "amazonaws.com")
    return f"https://{api}.execute-api.{where.region}.{domain}/{API_STAGE}"

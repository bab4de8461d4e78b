"""Find out what is wrong with a stage, and how to fix it, by independent checks that change nothing."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.adapters.providers.email import identity_of
from chalicelib.functions import functions_of
from chalicelib.settings import Stage
from ops import naming
from ops.aws import cloudformation
from ops.aws.account import Account
from ops.aws.subscriptions import subscriptions
from ops.config.loader import LOCAL, StageConfig
from ops.deploy import api_domain, chalice_state
from ops.errors import OpsError, ignoring_aws_error
from ops.naming import prefix
from ops.operations import message_files, secrets
from ops.operations.dead_letters import QUEUES
from ops.operations.listing import OperatorArchive
from ops.operations.replay import table_of
from ops.templates import alarms, domain

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

OVERDUE = 3600
"""Seconds after which the scheduled retry must have run."""
MAX_LOOKED_AT = 1000
"""Messages that wait, of which is looked whether their channels are still there."""


class Level(StrEnum):
    """How serious a finding is."""

    WELL = "well"
    WARNING = "warning"
    """It works, but somebody should look."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    level: Level
    what: str
    mend: str = ""
    """What to do about it."""

    def as_json(self) -> dict[str, object]:
        return {"level": str(self.level), "what": self.what, "mend": self.mend or None}


@dataclass(frozen=True, slots=True)
class Examined:
    """The stage that is checked."""

    config: StageConfig
    account: Account

    @property
    def stage(self) -> Stage:
        return self.config.stage

    @property
    def deploy(self) -> str:
        return "make run" if self.stage.name == LOCAL else f"make deploy STAGE={self.stage.name}"


def examine(config: StageConfig, account: Callable[[], Account], stale: Iterable[str]) -> Iterator[Finding]:
    """The results of all checks, one by one.

    ``account`` returns the stage's account or raises :class:`OpsError`. ``stale`` are the generated files that don't
    match ``herald.toml``.
    """
    files = list(stale)
    if files:
        yield Finding(Level.WARNING, f"generated files are stale: {', '.join(files)}", "./herald render")
    else:
        yield Finding(Level.WELL, "generated files match herald.toml")
    try:
        it = Examined(config, account())
        where = it.account.where
    except OpsError as error:
        yield Finding(Level.WRONG, str(error))
        return
    yield Finding(Level.WELL, f"account {where.account}, {where.region}")
    deployed = list(_checked(_deployed, it))
    yield from deployed
    if any(finding.level is Level.WRONG for finding in deployed):
        return
    for check in _CHECKS:
        yield from _checked(check, it)


def _checked(check: Callable[[Examined], Iterator[Finding]], it: Examined) -> Iterator[Finding]:
    """The findings of a check; an error of AWS is a finding too."""
    try:
        yield from check(it)
    except (BotoCoreError, ClientError) as error:
        what = str(check.__doc__).partition(".")[0].strip()
        yield Finding(Level.WARNING, f"{what}: could not be checked ({error})", "docs/rights.md")


def _deployed(it: Examined) -> Iterator[Finding]:
    """The deployment."""
    if chalice_state.rest_api_id(chalice_state.read(it.account.ssm, it.stage)) is None:
        yield Finding(Level.WRONG, f"stage {it.stage.name} is not deployed in this account and region", it.deploy)
        return
    for name in (cloudformation.data(it.stage), cloudformation.foundation(it.stage), cloudformation.wiring(it.stage)):
        status = cloudformation.status(it.account.cloudformation, name)
        if status is None or status in cloudformation.NEVER_STOOD:
            yield Finding(Level.WRONG, f"the stack {name} is {status or 'not there'}", it.deploy)
            return
        if not status.endswith("_COMPLETE"):
            yield Finding(Level.WARNING, f"the stack {name} is {status}", it.deploy)
        # After an update that failed, UPDATE_ROLLBACK_COMPLETE, the stack is as before it.
    yield Finding(Level.WELL, "deployed")


def _domain(it: Examined) -> Iterator[Finding]:
    """The domain of the API."""
    wanted, cfn = it.config.domain, it.account.cloudformation
    if wanted is None:
        return
    name, page = cloudformation.domain(it.stage), "docs/domain.md"
    if record := cloudformation.record_asked_for(cfn, name):
        yield Finding(Level.WARNING, f"{wanted.name} waits for the DNS record {record}", page)
    elif not api_domain.serves(it.account, it.stage):
        status = cloudformation.status(cfn, name) or "not there"
        yield Finding(Level.WRONG, f"the stack {name} is {status}, so {wanted.name} leads nowhere", it.deploy)
    elif not _resolves(wanted.name):
        target = cloudformation.outputs(cfn, name).get(domain.TARGET)
        yield Finding(Level.WRONG, f"{wanted.name} has no DNS record; it must be a CNAME for {target}", page)
    else:
        yield Finding(Level.WELL, f"{wanted.name} has a certificate and a DNS record")


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


def _functions(it: Examined) -> Iterator[Finding]:
    """The functions."""
    well = True
    for spec in functions_of(it.stage):
        name = it.stage.function(spec.name)
        found: dict[str, Any] = {}
        with ignoring_aws_error("ResourceNotFoundException"):
            found = dict(it.account.functions.get_function_configuration(FunctionName=name))
        wrong = ""
        if not found:
            wrong = "does not exist"
        elif found.get("State", "Active") not in ("Active", "Inactive"):
            # Inactive means idle for long: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
            wrong = f"is {found['State']}"
        elif found.get("LastUpdateStatus", "Successful") == "Failed":
            wrong = "could not be updated"
        elif found.get("Environment", {}).get("Variables", {}).get("HERALD_STAGE") != it.stage.name:
            wrong = f"has another HERALD_STAGE than {it.stage.name}"
        elif it.account.functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
            wrong = "can't run: its reserved concurrency is 0"
        if wrong:
            well = False
            yield Finding(Level.WRONG, f"the function {name} {wrong}", it.deploy)
    if well:
        yield Finding(Level.WELL, "functions are deployed")


def _files(it: Examined) -> Iterator[Finding]:
    """The files of messages."""
    if not it.stage.takes_files:
        return
    status = cloudformation.status(it.account.cloudformation, cloudformation.files(it.stage))
    if status is None or status in cloudformation.NEVER_STOOD:
        yield Finding(Level.WRONG, f"the stack {cloudformation.files(it.stage)} is {status or 'not there'}", it.deploy)
        return
    archive = OperatorArchive(cast("DynamoDBClient", Sdk(it.account.dynamodb)), it.stage)
    found = message_files.compare(it.account, it.stage, archive)
    if found.missing:
        what = f"{found.missing} files of the newest messages are not in the bucket"
        yield Finding(Level.WARNING, what, "docs/files.md")
    if found.orphans:
        what = f"{found.orphans} files in the bucket are of messages that don't exist; its own rules delete them"
        yield Finding(Level.WARNING, what, "docs/files.md")
    if not (found.missing or found.orphans):
        yield Finding(Level.WELL, f"{found.files} files, each with its message")


def _subscription(it: Examined) -> Iterator[Finding]:
    """The subscription of `destined`."""
    topic = cloudformation.outputs(it.account.cloudformation, cloudformation.foundation(it.stage))["TopicArn"]
    endpoint = it.account.where.arn("lambda", f"function:{it.stage.function('destined')}")
    arn = subscriptions(it.account.sns, topic).get(endpoint)
    if arn is None:
        yield Finding(Level.WRONG, "`destined` is not subscribed to the topic: messages reach nobody", it.deploy)
    elif "RedrivePolicy" not in it.account.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]:
        what = "the subscription of `destined` has no dead-letter queue: messages that SNS can't deliver are lost"
        yield Finding(Level.WRONG, what, it.deploy)
    else:
        yield Finding(Level.WELL, "`destined` is subscribed")


def _destinations(it: Examined) -> Iterator[Finding]:
    """The destinations of `destined`."""
    found: dict[str, Any] = {}
    destined = it.stage.function("destined")
    with ignoring_aws_error("ResourceNotFoundException"):
        found = dict(it.account.functions.get_function_event_invoke_config(FunctionName=destined, Qualifier="$LATEST"))
    bus = it.account.where.arn("events", f"event-bus/{it.stage.bus}")
    configured = found.get("DestinationConfig", {})
    targets = {name: destination.get("Destination") for name, destination in configured.items()}
    if targets.get("OnSuccess") == targets.get("OnFailure") == bus:
        yield Finding(Level.WELL, "outcomes go to the bus")
    else:
        yield Finding(Level.WRONG, "outcomes of `destined` don't go to the bus: failures go unnoticed", it.deploy)


def _rules(it: Examined) -> Iterator[Finding]:
    """The rules."""
    events = it.account.client("events")
    wanted = {it.stage.function("on_success"), it.stage.function("on_failure"), f"{it.stage.bus}-failed-events"}
    pages = events.get_paginator("list_rules").paginate(EventBusName=it.stage.bus)
    states = {rule["Name"]: rule["State"] for page in pages for rule in page["Rules"]}
    well = True
    for name in sorted(wanted | {name for name in states if name.startswith(f"{it.stage.bus}-")}):
        if states.get(name) != "ENABLED":
            well = False
            yield Finding(Level.WRONG, f"the rule {name} is {states.get(name, 'missing').lower()}", it.deploy)
    function = it.account.where.arn("lambda", f"function:{it.stage.function('retry_due')}")
    names = events.list_rule_names_by_target(TargetArn=function)["RuleNames"]
    if not any(events.describe_rule(Name=name).get("State") == "ENABLED" for name in names):
        well = False
        what = "retry_due has no enabled schedule: messages that could not be delivered are not tried again"
        rule = names[0] if names else ""
        yield Finding(Level.WRONG, what, f"aws events enable-rule --name {rule}" if rule else it.deploy)
    if well:
        yield Finding(Level.WELL, "rules and schedule are enabled")


def _overdue(it: Examined) -> Iterator[Finding]:
    """Overdue messages."""
    found = it.account.dynamodb.query(
        TableName=it.stage.table,
        IndexName=it.stage.due_index,
        KeyConditionExpression="due = :due AND due_at <= :then",
        ExpressionAttributeValues={":due": {"S": "yes"}, ":then": {"N": str(int(time.time()) - OVERDUE)}},
        Limit=1,
    )["Items"]
    if found:
        what = f"messages have been overdue for more than an hour, such as {found[0]['id']['S']}: retry_due fails"
        yield Finding(Level.WRONG, what, f"./herald logs --stage {it.stage.name} --function retry_due --since 2h")
    else:
        yield Finding(Level.WELL, "nothing is overdue")


def _letters(it: Examined) -> Iterator[Finding]:
    """The dead-letter queues."""
    sqs = it.account.client("sqs")
    well = True
    for queue in QUEUES:
        url = sqs.get_queue_url(QueueName=f"{prefix(it.stage)}-{queue}")["QueueUrl"]
        name = "ApproximateNumberOfMessages"
        number = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
        if number:
            well = False
            yield Finding(
                Level.WARNING, f"{number} letters in {queue}: {naming.QUEUES[queue]}", f"docs/alarms.md#{queue}"
            )
    if well:
        yield Finding(Level.WELL, "no dead letters")


def _channels(it: Examined) -> Iterator[Finding]:
    """The channels and the captchas, and their secrets."""
    for result in secrets.check(it.stage, it.account):
        setting = f"./herald secrets set --stage {it.stage.name} {result.channel}"
        is_captcha = result.channel == secrets.CAPTCHA
        effect = "its site's captcha counts nothing" if is_captcha else "its messages wait"
        for parameter in result.missing:
            yield Finding(Level.WRONG, f"the secret {parameter} is not set: {effect}", setting)
        for parameter in result.readable:
            yield Finding(Level.WARNING, f"{parameter} is not encrypted (SecureString)", setting)
        if result.error:
            page = f"docs/channels/{result.kind}.md"
            yield Finding(Level.WRONG, f"the channel {result.channel} could not deliver: {result.error}", page)
        elif result.is_well and is_captcha:
            yield Finding(Level.WELL, "the secrets of captchas are set")
        elif result.is_well:
            left = f", {result.quota.remaining} of {result.quota.limit} left" if result.quota else ""
            yield Finding(Level.WELL, f"the channel {result.channel} could deliver{left}")


def _stranded(it: Examined) -> Iterator[Finding]:
    """Messages of channels or sites that are gone."""
    pages = it.account.dynamodb.get_paginator("query").paginate(
        TableName=it.stage.table,
        IndexName=it.stage.due_index,
        KeyConditionExpression="due = :due",
        ExpressionAttributeValues={":due": {"S": "yes"}},
        PaginationConfig={"MaxItems": MAX_LOOKED_AT},
    )
    ids = [item["id"]["S"] for page in pages for item in page["Items"]]
    archive = OperatorArchive(cast("DynamoDBClient", Sdk(it.account.dynamodb)), it.stage)
    stranded: dict[tuple[str, str], list[str]] = {}
    for message in archive.several(ids).values():
        listed = message.listed
        serving = it.stage.channels_serving(listed.site)
        for channel, delivery in listed.channels.items():
            if channel not in serving and not delivery.state.is_final:
                stranded.setdefault((listed.site, channel), []).append(listed.id)
    for (site, channel), waiting in sorted(stranded.items()):
        table = table_of(site)
        gone = f"not in {table} any more" if site in it.stage.site_names else f"{table} has left herald.toml"
        what = f"{len(waiting)} messages wait for the channel {channel}, such as {waiting[0]}: {gone}"
        mend = f"name {channel} in channels of {table} again and deploy, or read them: ./herald messages show"
        yield Finding(Level.WARNING, what, mend)
    if not stranded:
        yield Finding(Level.WELL, "no message waits for a channel or a site that is gone")


def _mail(it: Examined) -> Iterator[Finding]:
    """What SES says of the account and of the identities that are sent from."""
    channels = [it.stage.channels[name] for name in it.stage.channels_of("email")]
    answers = it.stage.autoreplies
    if not channels and not answers:
        return
    page = "docs/channels/email.md#set-up-in-aws"
    sesv2 = it.account.client("sesv2")
    account = sesv2.get_account()
    if not account.get("ProductionAccessEnabled"):
        yield Finding(
            Level.WARNING, "SES keeps this account in its sandbox: mails reach verified recipients only", page
        )
        if answers:
            yield Finding(
                Level.WRONG, "so no visitor is answered ([sites.<name>.autoreply]): ask AWS for production access", page
            )
    if not account.get("SendingEnabled", True):
        yield Finding(Level.WRONG, "SES lets this account send nothing", "SES console, Account dashboard")
    status = account.get("EnforcementStatus", "HEALTHY")
    if status != "HEALTHY":
        yield Finding(Level.WARNING, f"SES has this account under {status}", "SES console, Reputation metrics")
    senders = ("".join(channel.texts("from_address")) for channel in channels)
    used = {identity_of(sender, channel.texts("identities")) for sender, channel in zip(senders, channels, strict=True)}
    used |= {identity_of(each.from_address, each.identities) for each in answers}
    for identity in sorted(used):
        yield from _identity(sesv2, identity, page)
    reasons = account.get("SuppressionAttributes", {}).get("SuppressedReasons", [])
    for address in sorted({address for channel in channels for address in channel.texts("to")} if reasons else ()):
        with ignoring_aws_error("NotFoundException"):
            why = sesv2.get_suppressed_destination(EmailAddress=address)["SuppressedDestination"]["Reason"]
            if why in reasons:
                yield Finding(
                    Level.WRONG,
                    f"SES sends nothing to {address}: it is on the account's suppression list, for a {why.lower()}",
                    f"aws sesv2 delete-suppressed-destination --region {it.account.where.region}"
                    f" --email-address {shlex.quote(address)}",
                )


def _identity(sesv2: Any, identity: str, page: str) -> Iterator[Finding]:
    """What SES says of one identity.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html
    """
    found: dict[str, Any] = {}
    with ignoring_aws_error("NotFoundException"):
        found = dict(sesv2.get_email_identity(EmailIdentity=identity))
    if not found.get("VerifiedForSendingStatus"):
        why = "is not verified" if found else "does not exist in this region"
        yield Finding(Level.WRONG, f"SES: the identity {identity} {why}, so nothing is sent from it", page)
        return
    yield Finding(Level.WELL, f"SES may send from {identity}")
    dkim = found.get("DkimAttributes", {})
    if dkim.get("Status") != "SUCCESS" or not dkim.get("SigningEnabled", True):
        what = f"SES signs no mail of {identity} by DKIM ({dkim.get('Status', 'NOT_STARTED')}): it may count as spam"
        yield Finding(Level.WARNING, what, page)
    mail_from = found.get("MailFromAttributes", {})
    if mail_from.get("MailFromDomain") and mail_from.get("MailFromDomainStatus") != "SUCCESS":
        state = mail_from.get("MailFromDomainStatus")
        what = f"the MAIL FROM domain {mail_from['MailFromDomain']} of {identity} is {state}"
        yield Finding(Level.WARNING, what, "https://docs.aws.amazon.com/ses/latest/dg/mail-from.html")


def _alarms(it: Examined) -> Iterator[Finding]:
    """The alarms."""
    address = it.config.alarms_to
    if address is None:
        what = "no mail is sent when something is wrong: there is no address in [alarms]"
        yield Finding(Level.WARNING, what, "docs/alarms.md")
        return
    topic = cloudformation.outputs(it.account.cloudformation, cloudformation.wiring(it.stage)).get(alarms.TOPIC, "")
    if not topic or not subscriptions(it.account.sns, topic).get(address, "").startswith("arn:"):
        yield Finding(Level.WRONG, f"{address} has not confirmed the subscription to alarms", it.deploy)
    cloudwatch = it.account.client("cloudwatch")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{prefix(it.stage)}-", StateValue="ALARM"
    )
    sounding = [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]]
    for name in sounding:
        page = f"docs/alarms.md#{name.removeprefix(f'{prefix(it.stage)}-')}"
        yield Finding(Level.WRONG, f"the alarm {name} sounds", page)
    if not sounding:
        yield Finding(Level.WELL, "no alarm sounds")


_CHECKS = (
    _domain,
    _functions,
    _files,
    _subscription,
    _destinations,
    _rules,
    _overdue,
    _stranded,
    _letters,
    _channels,
    _mail,
    _alarms,
)

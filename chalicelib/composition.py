"""The composition root: the one place where logic meets adapters.

``get_container()`` returns the container of a running function; a test sets its own with ``override_container(…)``.
Adapters are imported where they are made, so that a function loads only those that it uses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.current_stage import current_stage
from chalicelib.errors import StoreError
from chalicelib.settings import Channel, Stage, notifier_functions

if TYPE_CHECKING:
    import requests
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.adapters.file_bucket import FileBucket
    from chalicelib.adapters.file_examinations import ExaminationTable
    from chalicelib.adapters.message_table import MessageTable
    from chalicelib.adapters.ring_budget import RingTable
    from chalicelib.adapters.secrets import Secrets
    from chalicelib.logic.autoreply import AutoreplyDependencies
    from chalicelib.logic.canary_arrival import CanaryLog
    from chalicelib.logic.captcha_verdict import Verify
    from chalicelib.logic.channel_kind import ChannelKind
    from chalicelib.logic.delivery_types import CheckingNotifier, Delivery, DeliveryDependencies, MessageStore
    from chalicelib.logic.digest import DigestLog
    from chalicelib.logic.failure_alarm import AlarmLog
    from chalicelib.logic.inbox_sessions import Sessions
    from chalicelib.logic.message import Message
    from chalicelib.logic.message_files import FileKeeper
    from chalicelib.logic.notification import Notification, Quota
    from chalicelib.logic.replay import ReplayStore
    from chalicelib.logic.retry_due import Destined, DueMessages
    from chalicelib.logic.spam import RecentActivity
    from chalicelib.logic.stored_messages import ArchiveWithFields, Marks
    from chalicelib.logic.summary import SummaryDependencies, SummaryStore

INVOKE_READ_TIMEOUT = 25
"""Seconds that ``destined`` waits for a notifier: longer than any notifier may run (see ``functions.py``)."""


class Topic(Protocol):
    """The topic that accepted messages are published to."""

    def publish(self, text: str, *, site: str, kind: str, function_arn: str) -> None:
        """Return once SNS has accepted the message; raises :class:`~chalicelib.errors.PublishError`."""


class Container:
    """The adapters and settings of a process, for one stage.

    What each message needs is made when it is first used, and kept.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._file_bucket: FileBucket | None = None

    @cached_property
    def stage(self) -> Stage:
        return current_stage(self._environ)

    @cached_property
    def topic(self) -> Topic:
        from chalicelib.adapters.topic import SnsTopic

        return SnsTopic.connect(self.stage.topic, after_files=self.stage.takes_files)

    def file_bucket(self, function_arn: str) -> FileBucket:
        """The bucket of files; ``function_arn`` says in which account and region."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.file_bucket import FileBucket

        if self._file_bucket is None:
            # A form's files and its message must both be taken within API Gateway's time-out.
            self._file_bucket = FileBucket(client("s3", connect=1, read=4, attempts=2), self.stage, function_arn)
        return self._file_bucket

    @cached_property
    def examinations(self) -> ExaminationTable:
        """Where ``examine`` writes what it finds out."""
        from chalicelib.adapters.file_examinations import ExaminationTable

        return ExaminationTable(self._dynamodb, self.stage.table)

    @cached_property
    def spam_key_secret(self) -> Secrets:
        """Reads the secret ``key``, which signs challenges and hashes senders' addresses."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.secrets import ParameterSecrets

        # Reading it and publishing must both end within API Gateway's time-out.
        path, _, name = self.stage.spam_key_parameter.rpartition("/")
        return ParameterSecrets(client("ssm", connect=1, read=2, attempts=1), path, (name,))

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        from chalicelib.adapters.aws import client

        # Short, so that claiming, calling the provider and recording its outcome end before the claim expires.
        dynamodb: DynamoDBClient = client("dynamodb", connect=1, read=2, attempts=2)
        return dynamodb

    @cached_property
    def _table(self) -> MessageTable:
        from chalicelib.adapters.message_table import MessageTable

        return MessageTable(self._dynamodb, self.stage)

    @cached_property
    def messages(self) -> MessageStore:
        return self._table

    @cached_property
    def archive(self) -> ArchiveWithFields:
        from chalicelib.adapters.stored_messages import MessageArchive

        return MessageArchive(self._dynamodb, self.stage, self.now)

    @cached_property
    def due_messages(self) -> DueMessages:
        return self._table

    @cached_property
    def destined(self) -> Destined:
        """Queues runs of ``destined``, for the scheduled retry."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.destined_runs import AsynchronousDestined

        return AsynchronousDestined(client("lambda", attempts=2), self.stage.function("destined"))

    @cached_property
    def canary_log(self) -> CanaryLog:
        from chalicelib.adapters.last_canary import CanaryItem

        return CanaryItem(self._dynamodb, self.stage.table)

    @cached_property
    def digest_log(self) -> DigestLog:
        from chalicelib.adapters.last_digest import DigestItems

        return DigestItems(self._dynamodb, self.stage.table)

    @cached_property
    def alarm_log(self) -> AlarmLog:
        from chalicelib.adapters.last_alarm import AlarmItem

        return AlarmItem(self._dynamodb, self.stage.table)

    @cached_property
    def recent_activity(self) -> RecentActivity:
        from chalicelib.adapters.recent_activity import RecentTable

        return RecentTable(self._dynamodb, self.stage.table)

    @cached_property
    def ring_budget(self) -> RingTable:
        """The channels' budgets: a ring is one notification, and each channel may send so many an hour and a day."""
        from chalicelib.adapters.ring_budget import RingTable

        return RingTable(self._dynamodb, self.stage.table)

    @cached_property
    def summaries(self) -> SummaryStore:
        """Counts the messages for which a channel's budget of rings was spent, until one notification tells of them."""
        from chalicelib.adapters.summaries import SummaryTable

        return SummaryTable(self._dynamodb, self.stage.table)

    @cached_property
    def notifiers(self) -> Mapping[str, CheckingNotifier]:
        """The notifier of each channel, as its caller sees it: a Lambda function."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.notifier_client import NotifierClient

        invoke = client("lambda", read=INVOKE_READ_TIMEOUT, attempts=1)
        return {
            channel: NotifierClient(invoke, function, channel)
            for channel, function in notifier_functions(self._environ).items()
        }

    def with_attachments(self, notification: Notification, kind: str, function_arn: str) -> Notification:
        """Read the files that a notification of this kind carries. Where that fails, it goes without them."""
        from chalicelib.adapters.providers import kind_of

        attachment_limits = kind_of(kind).attachment_limits
        if attachment_limits is None:
            return notification
        from dataclasses import replace

        from chalicelib.errors import FilesError
        from chalicelib.logic.attachments import attachments, wanted
        from chalicelib.logic.message_files import site_of_key
        from chalicelib.logs import logger

        files = wanted(notification.files, attachment_limits)
        try:
            contents = self.file_bucket(function_arn).read_all([file.bucket_key for file in files])
        except FilesError as error:
            logger.warning("Files were not attached", extra={"message_id": notification.id, "reason": error.reason})
            return notification
        sites = (self.stage.sites.get(site_of_key(file.bucket_key)) for file in files)
        keep_metadata = any(site and site.files and site.files.keep_metadata for site in sites)
        attached = attachments(files, contents, attachment_limits, keep_metadata=keep_metadata)
        return replace(notification, attached=attached)

    def provider_notifier(self, channel: str) -> CheckingNotifier:
        """Return a channel's notifier as ``notify_<kind>`` sees it: a client of the provider."""
        if channel not in self._provider_notifiers:
            self._provider_notifiers[channel] = self._make_notifier(self.stage.channels[channel])
        return self._provider_notifiers[channel]

    def _make_notifier(self, channel: Channel) -> CheckingNotifier:
        """Make the notifier that the channel's kind declares."""
        from chalicelib.adapters.providers import kind_of

        kind = kind_of(channel.kind)
        tools = ProviderTools(self, kind, channel)
        if kind.make_notifier is not None:
            return kind.make_notifier(tools)
        from chalicelib.adapters.http_notifier import HttpNotifier

        return HttpNotifier(tools.session(), tools.secrets(), channel, kind)

    @cached_property
    def _provider_notifiers(self) -> dict[str, CheckingNotifier]:
        return {}

    def secrets(self, channel: str, names: tuple[str, ...]) -> Secrets:
        """Return the secrets of a channel, below its own path in Parameter Store."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.secrets import ParameterSecrets

        # Reading them and calling the provider must both end within the function's time-out.
        ssm = client("ssm", connect=1, read=2, attempts=2)
        return ParameterSecrets(ssm, f"{self.stage.parameters}/{channel}", names)

    @cached_property
    def autoreply_dependencies(self) -> AutoreplyDependencies:
        """What answering visitors by mail needs."""
        from chalicelib.adapters.autoreply import AutoreplyTable, SesMailer
        from chalicelib.adapters.aws import client
        from chalicelib.logic.autoreply import AutoreplyDependencies

        # One attempt: a request that timed out may have been sent.
        mailer = SesMailer(client("sesv2", connect=2, read=7, attempts=1))
        log = AutoreplyTable(self._dynamodb, self.stage.table)
        return AutoreplyDependencies(self.stage, self.messages, log, mailer)

    def captcha_service(self, site: str) -> Verify:
        """Return what verifies the tokens of a site's captcha."""
        if site not in self._captcha_services:
            from chalicelib.adapters.captcha_service import CaptchaService

            self._captcha_services[site] = CaptchaService(self.secrets("captcha", (site,)), site)
        return self._captcha_services[site]

    @cached_property
    def _captcha_services(self) -> dict[str, Verify]:
        return {}

    @cached_property
    def inbox_parameters(self) -> Secrets:
        """The stage's key, as ``spam/key``, and the address of its inbox, as ``resources/inbox``."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.secrets import ParameterSecrets

        names = (self.stage.spam_key_parameter, self.stage.inbox_address_parameter)
        path = self.stage.parameters
        ssm = client("ssm", connect=1, read=2, attempts=2)
        return ParameterSecrets(ssm, path, tuple(name.removeprefix(f"{path}/") for name in names))

    @cached_property
    def inbox_sessions(self) -> Sessions:
        from chalicelib.adapters.inbox_sessions import SessionTable

        return SessionTable(self._dynamodb, self.stage.table)

    @cached_property
    def replays(self) -> ReplayStore:
        from chalicelib.adapters.replays import ReplayTable

        return ReplayTable(self._dynamodb, self.stage)

    @cached_property
    def marks(self) -> Marks:
        from chalicelib.adapters.marks_and_erasure import MarkTable

        return MarkTable(self._dynamodb, self.stage.table)

    def inbox_link(self, channel: str, message: Message) -> str:
        """Return the address that opens a message in the inbox; empty where the channel carries none.

        A notification without it is better than none: where the key can't be read, a log line says so.
        """
        if not self.stage.inbox or not self.stage.channels[channel].inbox_link:
            return ""
        from chalicelib.errors import SecretsError
        from chalicelib.logic.inbox_links import LINK_LIFE, Link, link_address

        try:
            parameters = self.inbox_parameters.read()
        except SecretsError as error:
            from chalicelib.logs import logger

            logger.warning("A notification has no link to the inbox", extra={"reason": str(error)})
            return ""
        link = Link(channel, message.id, message.received_at + LINK_LIFE)
        return link_address(link, self.stage.name, parameters)

    def file_keeper(self, function_arn: str) -> FileKeeper | None:
        """What keeps the files of messages and has ``examine`` look at them; None where the stage takes none."""
        if not self.stage.takes_files:
            return None
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.file_bucket import BucketFileKeeper

        invoke = client("lambda", read=INVOKE_READ_TIMEOUT, attempts=1)
        return BucketFileKeeper(self.file_bucket(function_arn), invoke, self.stage.function("examine"))

    def delivery_dependencies(self, site: str, function_arn: str = "") -> DeliveryDependencies:
        """Return what delivering a site's messages needs. ``function_arn`` is that of the running function."""
        from chalicelib.logic.delivery_types import DeliveryDependencies

        return DeliveryDependencies(
            site=self.stage.sites.get(site),
            channels=self.stage.channels_serving(site),
            notifiers=self.notifiers,
            store=self.messages,
            recent_activity=self.recent_activity,
            now=self.now,
            ring_budget=self.ring_budget,
            summaries=lambda: self.summaries,
            give_up_seconds=self.stage.retry_times.give_up_seconds,
            on_recorded=self._on_recorded,
            stage_name=self.stage.name,
            file_keeper=lambda: self.file_keeper(function_arn),
            inbox_link=self.inbox_link,
        )

    def summary_dependencies(self, channel: str) -> SummaryDependencies:
        """What ``destined`` needs to tell of the messages for which a channel's budget of rings was spent."""
        from chalicelib.logic.summary import SummaryDependencies
        from chalicelib.texts import FALLBACK, texts

        sites = [site for site in self.stage.sites.values() if channel in site.channels]
        return SummaryDependencies(
            channels=self.stage.channels,
            notifiers=self.notifiers,
            store=self.summaries,
            ring_budget=self.ring_budget,
            find_fields=self._table.find_fields,
            texts=texts(sites[0].language, sites[0].texts) if sites else texts(FALLBACK),
            now=self.now,
            give_up_seconds=self.stage.retry_times.give_up_seconds,
        )

    def _on_recorded(self, message: Message, channel: str, delivery: Delivery) -> None:
        """Count a channel's outcome, and slow the channel down where its provider says that little is left."""
        from chalicelib.logic.delivery_types import State

        self._count_outcome(message, channel, delivery)
        if delivery.state is not State.DELIVERED:
            # The notifier's quota is of an earlier delivery, and may be long out of date.
            return
        notifier = self.notifiers.get(channel)
        quota = notifier.quota if notifier else None
        settings = self.stage.channels.get(channel)
        if quota is not None and settings is not None:
            try:
                self.ring_budget.slow_down(settings, quota, self.now())
            except StoreError as error:
                from chalicelib.logs import logger

                # The outcome is recorded: a failed run would only ring nobody again.
                logger.warning("The channel was not slowed down", extra={"channel": channel, "reason": error.reason})

    def _count_outcome(self, message: Message, channel: str, delivery: Delivery) -> None:
        """Write the metrics of one channel's outcome."""
        from chalicelib.logic.delivery_types import State
        from chalicelib.metrics import Metric, emit

        if delivery.state is State.SUMMARIZED:
            return
        metric = {
            State.DELIVERED: Metric.DELIVERED,
            State.WAITING: Metric.WAITING,
            State.UNCERTAIN: Metric.UNCERTAIN,
            State.REJECTED: Metric.UNDELIVERABLE,
            State.EXPIRED: Metric.UNDELIVERABLE,
        }[delivery.state]
        details = {"site": message.site, "message_id": message.id}
        emit(self.stage, metric, details | ({"error": delivery.error} if delivery.error else {}), channel=channel)
        if metric is Metric.DELIVERED:
            seconds = delivery.since - message.received_at
            emit(self.stage, Metric.SECONDS_TO_DELIVERY, details, channel=channel, value=seconds)

    def now(self) -> int:
        """Return the time in seconds since the epoch."""
        return int(time.time())


class ProviderTools:
    """What a notifier is made of: the :class:`~chalicelib.logic.channel_kind.Tools` of one channel."""

    def __init__(self, container: Container, kind: ChannelKind, channel: Channel) -> None:
        self._container = container
        self._kind = kind
        self.channel = channel
        self.local = container.stage.name == "local"

    def session(self) -> requests.Session:
        from chalicelib.adapters.provider_http import Session

        return Session()

    def secrets(self) -> Secrets:
        names = tuple(secret.name for secret in self._kind.needed_secrets(self.channel))
        return self._container.secrets(self.channel.name, names)

    def aws(self, service: str, *, connect: float, read: float, attempts: int) -> Any:
        from chalicelib.adapters.aws import client

        return client(service, connect=connect, read=read, attempts=attempts)

    def report_quota(self, quota: Quota) -> None:
        report_quota(self._container.stage, self.channel, quota)


def report_quota(stage: Stage, channel: Channel, quota: Quota) -> None:
    """Write a provider's remaining quota as a metric, and log a warning when it is low."""
    from chalicelib.logic.pushover_parameters import DEFAULT_QUOTA_ALERT
    from chalicelib.logs import logger
    from chalicelib.metrics import Metric, emit

    emit(stage, Metric.QUOTA_REMAINING, {"limit": str(quota.limit)}, channel=channel.name, value=quota.remaining)
    percent = int(str(channel.options.get("quota_alert", DEFAULT_QUOTA_ALERT)))
    if quota.is_below(percent):
        amounts = {"remaining": quota.remaining, "limit": quota.limit, "reset": quota.reset}
        logger.warning("Quota low", extra={"code": "QUOTA_LOW", "channel": channel.name, **amounts})


_containers: list[Container] = []


def get_container() -> Container:
    """The container of this process, made from its environment at the first call."""
    if not _containers:
        _containers.append(Container(os.environ))
    return _containers[-1]


@contextmanager
def override_container(container: Container) -> Iterator[Container]:
    """Let ``get_container()`` return ``container`` inside a ``with`` block."""
    _containers.append(container)
    try:
        yield container
    finally:
        _containers.remove(container)

"""Read and check ``herald.toml``, merge each stage's own tables into the common ones, and compile the stages.

Every mistake is reported with its key, what was found there, and what is allowed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from chalicelib.logic.allowed_origins import origin_of
from chalicelib.settings import APP, SITE_OF_PROGRAMS, Limits, Notifications, Site, Stage
from chalicelib.texts import FALLBACK, LANGUAGES
from ops.config import site_texts
from ops.config.channels import KINDS, RESERVED, ChannelTable
from ops.config.mistakes import decoded, explained, nearest, syntax, unknown_key
from ops.config.rules_subscribers_grants import TABLES, Extensions, by_name
from ops.config.schema import (
    MAX_CHARACTERS,
    TABLE_OF_KEY,
    DomainTable,
    MergedTables,
    SiteTable,
    SpamTable,
    StageOptions,
)
from ops.errors import OpsError
from ops.naming import AwsLocation

VERSION = 1
FILE = "herald.toml"
LOCAL = "local"
"""The stage of the local stack: the only one that may name an endpoint, and must name account and region."""

EXAMPLE = "http://127.0.0.1:8080"
"""The address of the example site, the phone page and the stand-ins, unless ``HERALD_WEB_PORT`` changes the port. A
person's own site may be at ``http://localhost:8080``, which is another server's address."""

_TABLES = ("sites", "channels")
"""Tables of tables, one for each name."""
_SINGLE = ("limits", "delivery", "alarms", "canary", "digest", "notifications", "values")
_ENTRIES = TABLES
"""Lists of entries with names. They refer to resources in an account, so stage ``local`` uses only its own."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}")
_STAGE = re.compile(r"[a-z][a-z0-9]{0,11}")
_OF_PIPELINES = {
    "deploy": "the role that deploys stage dev from a pipeline",
    "diff": "the role that compares stage dev in a pipeline",
    "boundary": "the permissions boundary of the roles of stage dev where it has a pipeline",
    "pipeline": "the stack of the pipeline's roles, as docs/pipeline.md makes it",
}
"""Other names ``herald-<this>-<stage>``: a stage with such a name could change another stage's resources."""

_Model = TypeVar("_Model", bound=BaseModel)


class ConfigError(OpsError):
    """``herald.toml`` can't be used; the message lists every mistake."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage: the settings for Lambda (``stage``), and those that only deploying needs."""

    stage: Stage
    send_event: bool
    log_retention_days: int
    rate: int
    """The average number of requests per second that the API accepts."""
    burst: int
    endpoint: str | None
    account: str | None
    region: str | None
    aws_client: str = "own"
    """The client with which functions call AWS: ``own`` or ``botocore``."""
    reserved: int | None = None
    """The reserved concurrency of ``destined``; None for no reservation."""
    inbox_reserved: int | None = None
    """The same of ``inbox``."""
    alarms_to: str | None = None
    """The e-mail address for alarms; None for a stage without alarms."""
    extensions: Extensions = field(default_factory=Extensions)
    """The owner's own rules, subscribers and grants."""
    domain: DomainTable | None = None
    """The API's own domain; None for the address that API Gateway gives."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a run of the local stack changes in stage ``local`` without editing the file."""

    aws: str | None = None
    """The address of the local AWS."""
    web: str | None = None
    """The address of the local web server in place of :data:`EXAMPLE`. Other addresses are not changed."""
    real_pushover: bool = False


def load(root: Path, overrides: Overrides | None = None) -> dict[str, StageConfig]:
    """Every stage of ``root/herald.toml``, by name; raises :class:`ConfigError` with all mistakes at once."""
    path = root / FILE
    try:
        text = decoded(path.read_bytes(), FILE)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    except OpsError as error:
        raise ConfigError(str(error)) from None
    try:
        data = tomllib.loads(text)
    except ValueError as error:  # Also a number beyond what Python reads.
        raise ConfigError(f"{FILE} is not valid TOML, {syntax(text, error)}") from None
    except RecursionError:
        raise ConfigError(f"{FILE} is not valid TOML: too many brackets within each other") from None
    mistakes: list[str] = []
    if mistake := version_mistake(data.get("version")):
        raise ConfigError(f"{FILE}: version: {mistake}")
    stages = data.get("stages")
    allowed = ["version", "stages", *_TABLES, *_SINGLE, *_ENTRIES]
    homes = TABLE_OF_KEY | {
        stage: f"stages, as [stages.{stage}]" for stage in (stages if isinstance(stages, dict) else ())
    }
    for key in sorted(set(data) - set(allowed)):
        mistakes.append(f"{key}: {unknown_key(key, allowed, homes)}")
    if not isinstance(stages, dict) or not stages:
        raise ConfigError("\n".join([f"{FILE}: stages: expected at least one table such as [stages.dev]", *mistakes]))
    loaded: dict[str, StageConfig] = {}
    for name, own in stages.items():
        if mistake := _name_mistake(name):
            mistakes.append(f"stages.{name}: {mistake}")
        elif not isinstance(own, dict):
            mistakes.append(f"stages.{name}: found {own!r}, expected a table [stages.{name}]")
        else:
            stage = _stage(name, data, own, overrides or Overrides(), mistakes)
            if stage is not None:
                loaded[name] = stage
    if mistakes:
        raise ConfigError(f"{FILE} has mistakes:\n" + "\n".join(f"  {m}" for m in dict.fromkeys(mistakes)))
    return loaded


def _name_mistake(stage: str) -> str:
    """Why a stage can't have this name; empty if it can. All resources of a stage are named ``herald-<stage>-…``."""
    if stage in _OF_PIPELINES:
        return f"choose another name: {APP}-{stage}-dev is {_OF_PIPELINES[stage]}, and would belong to this stage"
    if _STAGE.fullmatch(stage):
        return ""
    expected = "a stage's name has up to 12 of a-z and 0-9, the first a letter"
    first, hyphen, rest = stage.partition("-")
    if hyphen and _STAGE.fullmatch(first) and rest:
        return f"{expected}: {APP}-{stage} would be {rest} of stage {first}"
    return expected


def version_mistake(found: object) -> str:
    """Why a file of this version can't be read; empty for the current version."""
    match found:
        case None:
            return f"missing; the first line of the file is: version = {VERSION}"
        case int() if not isinstance(found, bool) and found > VERSION:
            return (
                f"found {found}, and this Herald reads {VERSION}. The file is of a newer Herald: update this checkout"
                " (docs/deploying.md#upgrades), or take the file that belongs to it"
            )
        case int() if not isinstance(found, bool) and found == VERSION:
            return ""
    return f"found {found!r}, expected {VERSION}"


def named(stages: dict[str, StageConfig], name: str) -> StageConfig:
    """The stage of that name; raises :class:`ConfigError` with the existing names where there is none."""
    if name not in stages:
        raise ConfigError(f"{FILE} has no stage {name!r}; it has: {', '.join(sorted(stages))}")
    return stages[name]


def _stage(
    name: str, data: dict[str, Any], own: dict[str, Any], overrides: Overrides, mistakes: list[str]
) -> StageConfig | None:
    mine = {key: own[key] for key in own if key not in (*_TABLES, *_SINGLE, *_ENTRIES)}
    before = len(mistakes)
    own = own | {key: by_name(own[key], f"stages.{name}.{key}", mistakes) for key in _ENTRIES if key in own}
    laid_over: dict[str, Any] = {
        table: _laid_over(data.get(table, {}), own.get(table, {}), f"stages.{name}.{table}", mistakes)
        for table in _TABLES
    }
    for table in _ENTRIES:
        common = {} if name == LOCAL else by_name(data.get(table, []), table, mistakes)
        laid_over[table] = _laid_over(common, own.get(table, {}), f"stages.{name}.{table}", mistakes)
    for table in _SINGLE:
        common, here = data.get(table, {}), own.get(table, {})
        if not isinstance(common, dict) or not isinstance(here, dict):
            where = table if isinstance(here, dict) else f"stages.{name}.{table}"
            mistakes.append(f"{where}: expected a table")
            return None
        if table in data or table in own:
            laid_over[table] = common | here
    options = _checked(StageOptions, mine, lambda key: _dotted("stages", name, *key), mistakes)
    merged = _checked(MergedTables, laid_over, lambda key: _written_at(key, name, own), mistakes)
    if options is None or merged is None:
        return None
    _check_options(name, options, mistakes)
    channels = _channels(merged.channels, lambda *key: _written_at(key, name, own), mistakes)
    _check_tables(name, merged, channels, lambda *key: _written_at(key, name, own), mistakes)
    if options.inbox and not any(channel.has_inbox_link for channel in channels.values()):
        mistakes.append(f"stages.{name}.inbox: no channel carries a link; set inbox_link = true of one")
    if options.inbox_reserved and not options.inbox:
        mistakes.append(f"stages.{name}.inbox_reserved: the stage has no inbox; set inbox = true")
    if len(mistakes) > before:
        return None
    sites = dict(merged.sites)
    if name == LOCAL:
        channels = {key: _stood_in(channel) for key, channel in channels.items()}
        sites = {
            site: spec
            if spec.thanks.startswith("http:")
            or _written_at(("sites", site, "thanks"), name, own).startswith("stages.")
            else spec.model_copy(update={"thanks": f"{EXAMPLE}/thanks.html"})
            for site, spec in sites.items()
        }
        options, sites, channels = _overridden(options, sites, channels, overrides)
    config = StageConfig(
        stage=Stage(
            name=name,
            sites={
                site: Site(
                    name=site,
                    thanks=spec.thanks,
                    channels=tuple(spec.channels),
                    required=tuple(spec.required),
                    retention_days=spec.retention_days,
                    origins=spec.all_origins,
                    without_origin=spec.without_origin,
                    null_origin=spec.null_origin,
                    language=spec.language,
                    longest=MAX_CHARACTERS | spec.longest,
                    duplicate_seconds=spec.once_minutes * 60,
                    spam=spec.spam.compiled(spec.all_origins),
                    loopback=name == LOCAL,
                    origins_in=_written_at(("sites", site, "origins"), name, own).removesuffix(".origins")
                    if spec.origins
                    else "",
                    title=spec.title,
                    body=spec.body,
                    texts=spec.texts,
                    files=spec.files.compiled() if spec.files else None,
                    autoreply=spec.autoreply.compiled() if spec.autoreply else None,
                    one_of_many=len(sites) > 1,
                )
                for site, spec in sites.items()
            },
            limits=Limits(
                body_bytes=merged.limits.body_kib * 1024,
                field_count=merged.limits.fields,
                field_bytes=merged.limits.field_kib * 1024,
            ),
            channels={channel: spec.compiled(channel) for channel, spec in channels.items()},
            retry_times=merged.delivery.compiled(),
            alarm_channels=tuple(merged.alarms.channels),
            metrics=options.metrics,
            xray=options.xray,
            function_url=options.function_url,
            inbox=options.inbox,
            canary=merged.canary.every_hours if merged.canary else 0,
            digest=merged.digest.compiled() if merged.digest else None,
            values=merged.values,
            functions=tuple(options.functions),
            notifications=Notifications(
                channels=tuple(merged.notifications.channels or merged.sites["default"].channels),
                retention_days=merged.notifications.retention_days,
                language=language if (language := merged.sites["default"].language) in LANGUAGES else FALLBACK,
            ),
            hint=_hint(name),
        ),
        send_event=options.send_event,
        log_retention_days=options.log_retention_days,
        aws_client=options.aws_client,
        rate=options.throttle.rate,
        burst=options.throttle.burst,
        endpoint=options.endpoint,
        account=options.account,
        region=options.region,
        # The local stack sends no mail, so it has alarms only where its own table asks for them.
        reserved=merged.delivery.reserved,
        inbox_reserved=options.inbox_reserved,
        alarms_to=merged.alarms.email if name != LOCAL or "alarms" in own else None,
        extensions=Extensions(merged.rule, merged.subscriber, merged.grant),
        domain=options.domain,
    )
    for key, mistake in config.extensions.mistakes(config.stage):
        mistakes.append(f"{_written_at(key, name, own)}: {mistake}")
    if config.region and config.account:
        for key, mistake in config.extensions.foreign(AwsLocation("aws", config.region, config.account)):
            mistakes.append(f"{_written_at(key, name, own)}: {mistake}")
    return config


def _hint(stage: str) -> str:
    if stage == LOCAL:
        return "Is the local stack running? Start it with: make run"
    return f"Is the stage deployed (make deploy STAGE={stage}), and does the shell know its AWS account and region?"


def _laid_over(common: Any, own: Any, where: str, mistakes: list[str]) -> dict[str, Any]:
    """The tables of both, where ``own`` overrides keys of ``common``."""
    if not isinstance(common, dict) or not isinstance(own, dict):
        mistakes.append(f"{where}: expected tables, one for each name")
        return {}
    return {name: _merged(common.get(name), own.get(name)) for name in {**common, **own}}


def _merged(common: Any, own: Any) -> Any:
    """``own`` merged into ``common``, key by key."""
    if not isinstance(common, dict) or not isinstance(own, dict):
        return common if own is None else own
    return {name: _merged(common.get(name), own.get(name)) for name in {**common, **own}}


def _checked(
    model: type[_Model], data: Any, place: Callable[[tuple[str | int, ...]], str], mistakes: list[str]
) -> _Model | None:
    """The data as a model; None where it has mistakes, which are added with the ``place`` of their keys."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for detail in error.errors():
            key = detail["loc"][:-1] if detail["loc"][-1:] == ("[key]",) else detail["loc"]
            where = place(key)
            mistakes.append(f"{where}: {_explained(detail, where, _allowed(model, key))}")
        return None


def _dotted(*key: str | int) -> str:
    return ".".join(str(part) for part in key)


def _written_at(key: tuple[str | int, ...], stage: str, own: Any) -> str:
    """The key as it is written in the file: below the stage if the stage sets it, else in the common table."""
    place = own
    for part in key:
        if not isinstance(place, dict) or part not in place:
            return _dotted(*key)
        place = place[part]
        if not isinstance(place, dict):
            break
    return _dotted("stages", stage, *key)


def _allowed(model: type[BaseModel], key: tuple[str | int, ...]) -> list[str]:
    """The keys that are allowed in the table of ``key``."""
    for part in key[:-1]:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # The name of a site or channel: its table has the fields.
        inner = [each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type)]
        model = next((each for each in inner if issubclass(each, BaseModel)), model)
    found = [field.alias or name for name, field in model.model_fields.items()]
    return [*found, *_TABLES, *_SINGLE, *_ENTRIES] if model is StageOptions else found


def _explained(detail: Any, where: str, allowed: list[str]) -> str:
    match detail["type"]:
        case "missing":
            return "missing"
        case "hidden":
            return str(detail["msg"])
        case "extra_forbidden":
            return unknown_key(where, allowed, TABLE_OF_KEY)
    return explained(detail)


def _check_options(name: str, options: StageOptions, mistakes: list[str]) -> None:
    if name != LOCAL and options.endpoint is not None:
        mistakes.append(
            f"stages.{name}.endpoint: only stages.{LOCAL} has it; elsewhere the AWS credentials of the shell decide"
        )
    if name == LOCAL and options.domain:
        mistakes.append(f"stages.{name}.domain: the local stack has no DNS, so only other stages have a domain")
    if (
        options.domain
        and options.domain.certificate
        and options.region not in (None, options.domain.certificate.split(":")[3])
    ):
        mistakes.append(f"stages.{name}.domain.certificate: must be in the stage's region, {options.region}")
    for key in ("endpoint", "account", "region"):
        if name == LOCAL and getattr(options, key) is None:
            mistakes.append(f"stages.{name}.{key}: missing; the local stack needs it")


def _channels(
    tables: dict[str, dict[str, Any]], place: Callable[..., str], mistakes: list[str]
) -> dict[str, ChannelTable]:
    """Each channel as the model of its kind; channels with mistakes are left out."""
    channels: dict[str, ChannelTable] = {}
    for name, table in tables.items():
        kind = table.get("kind")
        if kind is None:
            mistakes.append(f"{place('channels', name, 'kind')}: missing; expected one of: {', '.join(KINDS)}")
        elif not isinstance(kind, str) or kind not in KINDS:
            mistakes.append(f"{place('channels', name, 'kind')}: found {kind!r}, {_kinds(kind)}")
        else:
            checked = _checked(KINDS[kind], table, _below(place, "channels", name), mistakes)
            if checked is not None:
                channels[name] = checked
    return channels


def _kinds(found: object) -> str:
    """The existing kinds, and the one that was probably meant; a service reached by a webhook is not a kind."""
    expected = f"expected one of: {', '.join(KINDS)}"
    if found in get_args(KINDS["webhook"].model_fields["format"].annotation):
        return f'{expected}. Write kind = "webhook" and format = "{found}"'
    near = nearest(found, KINDS) if isinstance(found, str) else ""
    return f"{expected}. Did you mean {near}?" if near else expected


def _below(place: Callable[..., str], *above: str) -> Callable[[tuple[str | int, ...]], str]:
    return lambda key: place(*above, *key)


def _check_tables(
    name: str, merged: MergedTables, channels: dict[str, ChannelTable], place: Callable[..., str], mistakes: list[str]
) -> None:
    """Check what spans several tables. ``place`` gives a key as it is written in the file."""
    if "default" not in merged.sites:
        mistakes.append("sites.default: missing; POST /contact is its form")
    for table, names in (("sites", merged.sites), ("channels", merged.channels)):
        for key in names:
            if not _NAME.fullmatch(key):
                mistakes.append(f"{place(table, key)}: a name has up to 20 of a-z, 0-9, - and _, the first a letter")
    if SITE_OF_PROGRAMS in merged.sites:
        mistakes.append(
            f"{place('sites', SITE_OF_PROGRAMS)}: this name is taken, by what programs publish; choose another"
        )
    for site, spec in merged.sites.items():
        for channel in spec.channels:
            if channel not in merged.channels:
                mistakes.append(f"{place('sites', site, 'channels')}: {_no_channel(channel, merged.channels)}")
        for where, mistake in site_texts.mistakes(spec.texts, spec.language):
            mistakes.append(f"{place('sites', site, *where)}: {mistake}")
        for where, mistake in spec.autoreply.mistakes(spec.language) if spec.autoreply else ():
            mistakes.append(f"{place('sites', site, 'autoreply', *where)}: {mistake}")
        if spec.spam.captcha and spec.spam.captcha.url and name != LOCAL:
            mistakes.append(f"{place('sites', site, 'spam', 'captcha', 'url')}: only stages.{LOCAL} may ask a stand-in")
    kept: dict[tuple[str, ...], int] = {("sites", site): spec.retention_days for site, spec in merged.sites.items()}
    for where, retention_days in (kept | {("notifications",): merged.notifications.retention_days}).items():
        if retention_days * 24 < merged.delivery.give_up_hours:
            days = -(-merged.delivery.give_up_hours // 24)
            mistakes.append(
                f"{place(*where, 'retention_days')}: found {retention_days}, expected at least {days}: "
                f"a message is tried for {merged.delivery.give_up_hours} hours, and must not expire before"
            )
    of_tables = {
        "alarms": merged.alarms.channels,
        "digest": merged.digest.channels if merged.digest else [],
        "notifications": merged.notifications.channels or [],
    }
    for table, wanted in of_tables.items():
        for channel in wanted:
            if channel not in merged.channels:
                mistakes.append(f"{place(table, 'channels')}: {_no_channel(channel, merged.channels)}")
    if merged.canary and merged.canary.every_hours and not merged.alarms.email and name != LOCAL:
        mistakes.append(f"{place('canary')}: it needs {place('alarms', 'email')}, or nobody would notice its absence")
    for channel, options in channels.items():
        for key, mistake in options.mistakes().items():
            mistakes.append(f"{place('channels', channel, key)}: {mistake}")
        if channel in RESERVED:
            mistakes.append(f"{place('channels', channel)}: this name is taken; choose another")
        if mistake := options.address_mistake(local=name == LOCAL):
            mistakes.append(f"{place('channels', channel, 'url')}: {mistake}")
        shortest = options.KIND.shortest_pause
        if (options.url is None or name != LOCAL) and options.pause < shortest:
            mistakes.append(
                f"{place('channels', channel, 'pause')}: found {options.pause}, the provider wants at least {shortest}"
            )


def _no_channel(found: str, channels: Iterable[str]) -> str:
    known = ", ".join(sorted(channels)) or "none"
    own = f". For this one, add a table [channels.{found}]" if _NAME.fullmatch(found) else ""
    return f"found {found!r}, expected one of: {known}{own}"


def _overridden(
    options: StageOptions, sites: dict[str, SiteTable], channels: dict[str, ChannelTable], overrides: Overrides
) -> tuple[StageOptions, dict[str, SiteTable], dict[str, ChannelTable]]:
    if overrides.aws:
        options = options.model_copy(update={"endpoint": overrides.aws})
    if overrides.web:
        web = overrides.web
        sites = {
            name: site.model_copy(
                update={
                    "thanks": _moved(site.thanks, web),
                    "origins": [_moved(origin, web) for origin in site.origins],
                    "spam": _with_captcha_at(site.spam, web),
                }
            )
            for name, site in sites.items()
        }
        channels = {
            name: channel.model_copy(update={"url": _moved(channel.url, web)}) if channel.url else channel
            for name, channel in channels.items()
        }
    if overrides.real_pushover:
        channels = {
            name: channel.model_copy(update={"url": None, "pause": max(channel.pause, channel.KIND.shortest_pause)})
            if channel.kind == "pushover"
            else channel
            for name, channel in channels.items()
        }
    return options, sites, channels


def _with_captcha_at(spam: SpamTable, web: str) -> SpamTable:
    if not (spam.captcha and spam.captcha.url):
        return spam
    captcha = spam.captcha.model_copy(update={"url": _moved(spam.captcha.url, web)})
    return spam.model_copy(update={"captcha": captcha})


def _stood_in(channel: ChannelTable) -> ChannelTable:
    """The channel led to the local stack's stand-in, which knows the example secrets, and not to the provider."""
    if channel.KIND.http is None:
        return channel
    return channel.model_copy(update={"url": f"{EXAMPLE}/providers/{channel.kind}"})


def _moved(address: str, web: str) -> str:
    """The address on the local web server's current port; any other server's address unchanged."""
    old, new = urlsplit(address), urlsplit(web)
    return old._replace(netloc=new.netloc).geturl() if origin_of(address) == EXAMPLE else address

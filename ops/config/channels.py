"""The tables ``[channels.<name>]`` of ``herald.toml``: a model for each kind that ``adapters/providers/`` declares."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, create_model, field_validator
from pydantic_core import PydanticCustomError

from chalicelib.adapters.providers import kinds
from chalicelib.logic.channel_kind import ChannelKind, Check, CheckedText, HiddenMistake, OneOf, Option, Text, TextList
from chalicelib.logic.channel_kind import Table as TableCheck
from chalicelib.settings import Channel, Rings
from ops.config.notification_templates import Body, Title
from ops.config.table import Table
from ops.config.web_addresses import WebAddress

RESERVED = ("captcha", "deployed", "functions", "resources", "spam")
"""Names that no channel may have, as they are used below a stage's path in Parameter Store."""


class RingsTable(Table):
    """How often a channel rings for messages at most."""

    hour: int = Field(ge=1, le=1_000)
    day: int = Field(ge=1, le=10_000)


class ChannelTable(Table):
    """The keys that every kind of channel has."""

    KIND: ClassVar[ChannelKind]

    kind: str
    """[one of these](channels/README.md), which have further keys."""
    uncertain: Literal["ring again", "hold"] = "ring again"
    """What to do when the provider may or may not have accepted ([delivery](delivery.md))."""
    pause: int = Field(default=5, ge=1, le=3600)
    """Seconds, at least [what the provider asks for](channels/README.md), save in stage `local` where `url` is set."""
    url: WebAddress | None = None
    """Like `thanks`; not of `email`, nor of `webhook`, whose address is a secret; stage `local` alone, save of `ntfy`
    and `apprise`. Unless set, the provider's own address."""
    title: Title = ""
    """As of a site, before whose it goes. Unless set, the site's."""
    body: Body = ""
    """Likewise. Unless set, the site's."""
    rings: RingsTable | Literal[False] | None = None
    """It rings for each message. A table of both `hour`, 1 to 1,000, and `day`, 1 to 10,000, says [how often at
    most](delivery.md#a-budget-of-rings). Unless set, [its kind's](channels/README.md)."""
    inbox_link: bool | None = None
    """Whether its notifications carry a link to [the inbox](pocket.md). Unless set, `true` of `pushover` and `email`,
    `false` of others."""

    @field_validator("rings", mode="before")
    @classmethod
    def _table_or_false(cls, value: object) -> object:
        # Checked here, as pydantic names a key within one of several types by the type too.
        if isinstance(value, dict):
            return RingsTable.model_validate(value)
        if value is not None and value is not False:
            raise PydanticCustomError("rings", "expected a table such as { hour = 30, day = 120 }, or false")
        return value

    @field_validator("url", mode="before")
    @classmethod
    def _may_have_one(cls, value: object) -> object:
        if not cls.KIND.address and not cls.KIND.own_address:
            # The text that was written here may be a secret, so it is not repeated.
            raise PydanticCustomError("hidden", cls.KIND.no_address)
        return value

    def _values(self) -> dict[str, Any]:
        """The keys of this kind alone."""
        return {option.name: getattr(self, option.name) for option in self.KIND.options}

    def mistakes(self) -> dict[str, str]:
        """The mistakes between several keys, by the key at which each is reported."""
        return dict(self.KIND.mistakes(self._values()))

    def address_mistake(self, *, local: bool) -> str:
        """What is wrong with ``url`` in a stage; empty if nothing is."""
        if local or not (self.KIND.address or self.KIND.own_address):
            return ""
        if self.url is None:
            return "" if self.KIND.address else "missing; the address of your own server"
        return "" if self.KIND.own_address else "only stages.local may send elsewhere than to the provider"

    def compiled(self, name: str) -> Channel:
        return Channel(
            name=name,
            kind=self.kind,
            retry_uncertain=self.uncertain == "ring again",
            pause=self.pause,
            url=self.url or self.KIND.address,
            options=self.KIND.compiled(self._values()),
            title=self.title,
            body=self.body,
            rings=self._rings(),
            priorities=self.KIND.priorities,
            link_option=self.KIND.link_option,
            inbox_link=self.has_inbox_link,
        )

    @property
    def has_inbox_link(self) -> bool:
        return self.KIND.inbox_link_by_default if self.inbox_link is None else self.inbox_link

    def _rings(self) -> Rings | None:
        if self.rings is None:
            return self.KIND.rings
        return Rings(self.rings.hour, self.rings.day) if self.rings else None


def _model(kind: ChannelKind) -> type[ChannelTable]:
    """Make the model of a kind from its declaration. Raises ``ValueError`` for an option that every kind has."""
    if taken := ChannelTable.model_fields.keys() & {option.name for option in kind.options}:
        raise ValueError(f"channel kind {kind.kind}: every kind has {', '.join(sorted(taken))}")
    fields: dict[str, Any] = {option.name: _field(option) for option in kind.options}
    model = create_model(f"{kind.kind.capitalize()}Channel", __base__=ChannelTable, **fields)
    model.KIND = kind
    return model


def _field(option: Option) -> tuple[Any, Any]:
    """The type and the default of an option."""
    found = _annotation(option.check)
    if option.required:
        return found, ...
    return (found if option.default is not None else found | None), option.default


def _annotation(check: Check | TextList | TableCheck) -> Any:
    match check:
        case TextList(each, least, most):
            return Annotated[list[Annotated[str, _after(each)]], Field(min_length=least, max_length=most)]
        case TableCheck(whole, most, mixed):
            table: Any = dict[str, Any] if mixed else dict[str, str]
            return Annotated[table, Field(max_length=most), _after(whole)]
        case OneOf(words):
            return Literal[words]
        case CheckedText():
            return Annotated[str, _after(cast("Any", check))]
        case Text():
            return Annotated[str, BeforeValidator(cast("Any", check))]
        case _:
            return Annotated[int | bool, BeforeValidator(check)]


def _after(check: Callable[[Any], Any]) -> AfterValidator:
    return AfterValidator(partial(_hiding, check))


def _hiding(check: Callable[[Any], Any], value: object) -> object:
    try:
        return check(value)
    except HiddenMistake as mistake:
        raise PydanticCustomError("hidden", str(mistake)) from None


KINDS: dict[str, type[ChannelTable]] = {name: _model(kind) for name, kind in kinds().items()}
"""The model of each kind."""

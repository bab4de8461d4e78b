"""Fixtures for one local stack, on its own ports, that all tests of this directory share. It is deployed once."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from chalicelib.functions import functions_of
from ops.local.aws.access_log import VARIABLE
from ops.local.ports import Ports
from ops.local.stack import LocalStack, Pushover
from ops.templates.function_policies import policy
from tests.declared import HTTP, entries
from tests.e2e import owner
from tests.e2e.harness import Harness
from tests.e2e.operator import Operator
from tests.own_functions import without_own_functions
from tests.recorded import calls, other_clients, unpermitted

ROOT = Path(__file__).parents[2]


def site(name: str, *channels: str) -> str:
    """A site whose pages are the example's."""
    return f"""
[stages.local.sites.{name}]
thanks = "http://127.0.0.1:8080/thanks.html"
origins = ["http://127.0.0.1:8080"]
channels = {json.dumps(channels or ["pushover"])}
"""


def pushes(channel: str, *more: str) -> str:
    """A channel that rings the stand-in for Pushover."""
    lines = "\n".join(more)
    return f"""
[stages.local.channels.{channel}]
kind = "pushover"
url = "http://127.0.0.1:8080/pushover"
pause = 1
{lines}
"""


def mails(channel: str, *more: str, to: tuple[str, ...] = ("owner@example.org",)) -> str:
    """A channel of mails."""
    lines = "\n".join(more)
    return f"""
[channels.{channel}]
kind = "email"
from = "Herald <{SENDER}>"
to = {json.dumps(to)}
identities = ["example.com"]
{lines}
"""


SENDER = "herald@mail.example.com"
GUARDED = f"""
# A site with everything that there is against spam, each sign enough by itself.
{site("guarded")}
[stages.local.sites.guarded.spam]
honeypot = {{ points = 10 }}
fill_time = {{ points = 10, seconds = 3 }}
links = {{ points = 10, most = 1 }}
proof_of_work = {{ points = 10, tries = 4 }}

{site("puzzled")}
[stages.local.sites.puzzled.spam]
proof_of_work = {{ points = 10, tries = 50 }}

{site("counted")}
[stages.local.sites.counted.spam]
rate = {{ points = 10, most = 2, minutes = 60 }}

# With Turnstile's test key, whose pages are localhost's.
{site("asked")}
[stages.local.sites.asked.spam.captcha]
points = 10
kind = "turnstile"
hostnames = ["localhost"]
url = "http://127.0.0.1:8080/captcha/turnstile"

# A site whose visitors are answered by mail.
{site("answered")}
language = "de"

[stages.local.sites.answered.spam]
honeypot = {{ points = 10 }}

[stages.local.sites.answered.autoreply]
from = "Shop <shop@mail.example.com>"
identities = ["example.com"]
per_hour = 1000

[stages.local.sites.answered.autoreply.texts.de]
subject = "Angekommen"
text = "Ihre Nachricht {{id}} ist da."

[stages.local.sites.answered.autoreply.texts.en]
subject = "We got it"
text = "Your message {{id}} has arrived."
"""

FLOODED = f"""
# A site whose channel rings no more often than others do where nothing else is set.
{site("flooded", "flooded")}
[stages.local.sites.flooded.spam]
rate = {{ points = 1, most = 5, minutes = 60 }}   # counted, and held for nothing
{pushes("flooded")}
"""


def without_budget(text: str) -> str:
    """Remove the budget of rings from a configuration, as the tests send hundreds of messages an hour."""
    text = re.sub(r"^rings = .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r'^kind = "(?:pushover|email|webhook)"$', r"\g<0>\nrings = false", text, flags=re.MULTILINE)
    return re.sub(r'\{ kind = "webhook"', r"\g<0>, rings = false", text)


MAILED = f"""
[stages.local.alarms]
email = "owner@example.com"
channels = ["email"]

# A site whose messages come by e-mail, and by nothing else.
{mails("email", 'title = "[{source}] {name}"', to=("owner@example.org", "second@example.net"))}
configuration_set = "own"
{site("mailed", "email")}
"""

_OPTIONS: dict[str, dict[str, Any]] = {"ntfy": {"priority": 4}, "apprise": {"protected": True}}
HOOKED = f"""
# Sites with webhooks: one of every format, one that is signed, one that holds what is uncertain.
{site("hooked", "own", "slack", "discord", "teams", *HTTP, "chat")}
{site("signed", "own")}
{site("held", "held")}
[stages.local.channels]
own = {{ kind = "webhook", pause = 1, headers = {{ X-Tag = "test" }} }}
held = {{ kind = "webhook", pause = 1, uncertain = "hold" }}
slack = {{ kind = "webhook", pause = 1, format = "slack" }}
discord = {{ kind = "webhook", pause = 1, format = "discord" }}
teams = {{ kind = "webhook", pause = 1, format = "teams" }}
chat = {{ kind = "webhook", pause = 1, format = "template", template = {{ text = "{{title}}: {{fields.message}}" }} }}
""" + "".join(f"{kind} = {{ {entries(kind, pause=1, rings=False, **_OPTIONS.get(kind, {}))} }}\n" for kind in HTTP)

URGENT = f"""
# A site whose messages ring until somebody has acknowledged them, and a limit for all sites.
{site("urgent", "urgent")}
{pushes("urgent", "priority = 2")}
retry = 30
sound = "siren"
link = "https://www.example.com/inbox"
link_title = "Inbox"
tags = "contact"

[stages.local.delivery]
reserved = 10
retry_minutes = 60   # tests run `retry_due` themselves; by itself it would try again what an earlier test has left
"""

HOLDS = 'uncertain = "hold"'
STORMY = f"""
# Two sites with a channel of each kind, one that holds what is uncertain and one that rings again; and one that holds
# with one channel.
{site("holding", "push_held", "mail_held", "held")}
{site("ringing", "pushover", "mail_again", "own")}
{site("patient", "push_held")}
{pushes("push_held", HOLDS)}
{mails("mail_held", "pause = 1", HOLDS)}
{mails("mail_again", "pause = 1")}
"""

WATCHED = f"""
[stages.local.canary]
every_hours = 24

# A day of theirs ends at midnight, so nothing of today is told; and a site for which a test has an older day.
[stages.local.digest]
hour = 0
{site("digested")}
[stages.local.sites.digested.spam]
honeypot = {{ points = 10 }}
"""


FILED = f"""
# A site whose forms may hold files.
{site("filed", "pushover", "email")}
[stages.local.sites.filed.files]
kinds = ["image", "pdf", "text"]
"""

POCKETED = f"""
# A site with the one channel that carries links to the inbox in the pocket, and one that carries none.
{site("pocketed", "pocketed", "own")}
[stages.local.sites.pocketed.files]
kinds = ["image", "text"]

[stages.local.sites.pocketed.autoreply]
from = "Shop <shop@mail.example.com>"
identities = ["example.com"]

[stages.local.sites.pocketed.autoreply.texts.en]
subject = "We got it"
text = "Your message {{id}} has arrived."

[stages.local.sites.pocketed.spam]
honeypot = {{ points = 10 }}
{pushes("pocketed", "rings = false")}
"""


def with_inbox(text: str) -> str:
    """Add an inbox in the pocket to a configuration whose channels carry no link to it."""
    text = re.sub(r'^kind = "(?:pushover|email)"$', r"\g<0>\ninbox_link = false", text, flags=re.MULTILINE)
    return re.sub(r"^\[stages\.local\]$", r"\g<0>\ninbox = true", text, flags=re.MULTILINE)


LONGEST_FIRST = (
    "test_deploying",
    "test_first_hour",
    "test_documented_commands",
    "test_least_privilege",
    "test_second_aws",
    "test_commands",
    "test_storm",
    "test_run",
    "test_own_functions",
    "test_openapi",
    "test_flood",
    "test_package",
    "test_plain_chalice",
    "test_own_site",
    "test_policy_matrix",
    "test_soak",
    "test_operator_replay",
    "test_operator_stage",
    "test_kills",
    "test_privacy",
    "test_matrix",
)
"""The files that take longest, started first: started last, one could keep only one of two cores busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put these files first, then the others that need a stack or a browser, and the many short ones at the end."""
    names = {name: place for place, name in enumerate(LONGEST_FIRST)}
    slow = ("tests/e2e/", "tests/forms/", "tests/local_stack/")
    items.sort(key=lambda item: names.get(item.path.stem, len(names) + (not item.nodeid.startswith(slow))))


def link_checkout(folder: Path, configuration: str) -> Path:
    """Make a copy of the checkout by links, with another ``herald.toml``."""
    folder.mkdir(parents=True)
    for name in ("app.py", "chalicelib", "infra", "locks", "ops", "requirements.txt", "web"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "herald.toml").write_text(configuration, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def checkout() -> Iterator[Path]:
    """A copy of the checkout whose ``herald.toml`` has more sites, and alarms."""
    folder = ROOT / ".herald" / f"test-e2e-{os.getpid()}"
    shipped = without_own_functions((ROOT / "herald.toml").read_text(encoding="utf-8"))
    link_checkout(
        folder,
        with_inbox(
            without_budget("".join([shipped, GUARDED, MAILED, HOOKED, URGENT, STORMY, WATCHED, FILED, owner.ADDED]))
            + FLOODED
        )
        + POCKETED,
    )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(checkout: Path) -> Iterator[LocalStack]:
    """The local stack with the stand-in for Pushover, even if the shell has real credentials."""
    log = checkout / "access.jsonl"
    log.touch()
    environ = dict(os.environ) | {"HERALD_LOCAL_RETRY_SECONDS": "1,1", VARIABLE: str(log)}
    with LocalStack(checkout, Ports.free(), Pushover.of({}), environ) as stack:
        yield stack


@pytest.fixture(scope="session")
def deployed(stack: LocalStack, checkout: Path) -> Iterator[Harness]:
    """Stage ``local``, deployed in an account that has the owner's resources named in ``herald.toml``.

    At the end, fail if one of its functions made a call that its policy doesn't permit.
    """
    owner.prepare(stack.account)
    herald = Harness(stack, stack.deploy(print))
    # Wait for the deployment's own canary: the first test may remove something that it needs.
    herald.line("on_success", source="herald.canary", action="arrived")
    yield herald
    stage, where = herald.stage, herald.account.where
    policies = {f"herald-{stage.name}-{spec.name}": policy(spec, stage, where) for spec in functions_of(stage)}
    with (checkout / "access.jsonl").open(encoding="utf-8") as log:
        # If a test has removed the sender's identity, SES asks IAM about the sender's address instead. Ignore these
        # calls.
        made = {call for call in calls(log) if call.role in policies and not call.resource.endswith(f"/{SENDER}")}
    assert "\n".join(unpermitted(policies, made)) == ""


@pytest.fixture(scope="session")
def access_log(deployed: Harness, checkout: Path) -> Iterator[TextIO]:
    """The local AWS's log of IAM decisions. Each read returns what was logged since the read before."""
    with (checkout / "access.jsonl").open(encoding="utf-8") as log:
        yield log


@pytest.fixture
def herald(deployed: Harness, access_log: TextIO) -> Iterator[Harness]:
    """The deployed stage, with an empty phone and providers that work.

    At the end, fail if a function called AWS with another client than it uses on AWS.
    """
    deployed.begin()
    yield deployed
    deployed.clear()
    roles = {deployed.stage.role(spec.name) for spec in functions_of(deployed.stage)}
    assert other_clients(roles, access_log) == []


@pytest.fixture
def operator(herald: Harness, checkout: Path) -> Operator:
    """Somebody at a terminal."""
    return Operator(herald, checkout)

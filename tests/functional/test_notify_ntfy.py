"""What ntfy is sent: https://docs.ntfy.sh/publish/#publish-as-json"""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.logic.notification import Notification
from ops.config.loader import ConfigError, load
from tests.declared import body_of, declared_channel, request_of
from tests.unit.test_config import GOOD, write

IT = Notification("id-1", "A title", "Hello *you*", fields=(("name", "Ada"),))


def test_a_topic_a_title_and_plain_text_are_enough() -> None:
    request = request_of(IT, declared_channel("ntfy"))
    assert (request.url, request.headers) == ("https://ntfy.sh/", {})
    assert body_of(IT, declared_channel("ntfy")) == {
        "topic": "herald-local-topic",
        "title": "A title",
        "message": "Hello *you*\n\nName: Ada",
    }


def test_priority_tags_and_click_address_are_the_channels_or_the_requests() -> None:
    it = declared_channel("ntfy", priority=2, tags="email,warning", link="https://example.com/inbox")
    mine = {"priority": 2, "tags": ["email", "warning"], "click": "https://example.com/inbox"}
    assert body_of(IT, it).items() >= mine.items()
    urgent = Notification("id-1", "A title", "Hi", options={"priority": 5, "link": "tel:1"})
    assert body_of(urgent, it).items() >= (mine | {"priority": 5, "click": "tel:1"}).items()


def test_only_a_protected_topic_is_sent_the_token() -> None:
    request = request_of(IT, declared_channel("ntfy", protected=True))
    assert request.headers == {"Authorization": f"Bearer tk_{'a' * 29}"}
    assert b"tk_" not in request.body


def test_a_server_of_ones_own_may_be_anywhere_and_the_local_stage_asks_the_stand_in(tmp_path: Path) -> None:
    own = GOOD + '\n[channels.ntfy]\nkind = "ntfy"\nurl = "https://ntfy.example.com/"\n'
    stages = load(write(tmp_path, own))
    assert stages["dev"].stage.channels["ntfy"].url == "https://ntfy.example.com/"
    assert stages["local"].stage.channels["ntfy"].url == "http://127.0.0.1:8080/providers/ntfy"
    assert request_of(IT, stages["dev"].stage.channels["ntfy"]).url == "https://ntfy.example.com/"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("priority = 6", "priority: found 6; expected a whole number from 1 to 5"),
        ('tags = "a, b"', "tags: found 'a, b'; expected up to 10 tags"),
        ('link = "example.com"', "link: found 'example.com'; expected an address"),
        ('protected = "yes"', "protected: found 'yes'; expected true or false"),
        ('topic = "mine"', "topic: unknown key"),
        ('token = "tk_MARKER"', "token: unknown key; secrets don't belong in this file"),
    ],
)
def test_a_mistake_in_its_table_is_named(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(write(tmp_path, GOOD + f'\n[channels.ntfy]\nkind = "ntfy"\n{line}\n'))

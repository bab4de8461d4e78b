"""Answers to visitors: what is written to the table and to SES, and what the function logs."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from chalicelib import handlers
from chalicelib.adapters.autoreply import AutoreplyTable, SesMailer
from chalicelib.adapters.aws import NotSentError, ServiceError
from chalicelib.adapters.message_table import MessageTable
from chalicelib.composition import override_container
from chalicelib.errors import AutoreplyError, StoreError
from chalicelib.logic.autoreply import AutoreplyDependencies
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.settings import Autoreply
from tests.dynamodb import LocalTable
from tests.fakes import NOW, FakeContainer, message, site, stage

AUTOREPLY = Autoreply(
    "Shop <hello@shop.site>",
    "hello@shop.site",
    "team@shop.site",
    ("shop.site",),
    "own",
    2,
    3,
    {"en": ("Got it", "Hi.")},
)


class Ses:
    """Records each request, and refuses where it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self._error = error

    def send_email(self, **request: Any) -> Any:
        self.requests.append(request)
        if self._error:
            raise self._error
        return {"MessageId": "1"}


class World:
    """A stage that answers visitors, with a message of one, and what ``autoreply`` has around it."""

    def __init__(self, **more: Any) -> None:
        of = stage()._replace(sites={"default": site()._replace(autoreply=AUTOREPLY)})
        self.table = LocalTable(of.table)
        self.store = MessageTable(self.table, of, lambda: NOW)  # type: ignore[arg-type]
        self.log = AutoreplyTable(self.table, of.table)  # type: ignore[arg-type]
        self.ses = Ses()
        self._stage = of
        it = replace(message("id-1", email="MARKER@visitor.site", message="MARKER"), **more)
        self.store.add(it, Record("run-1", {"pushover": Delivery(State.DELIVERED)}))

    def run(self) -> None:
        sns = {"Message": "id-1", "MessageAttributes": {"kind": {"Value": "retry"}}}
        detail = {
            "requestContext": {"condition": "Success"},
            "requestPayload": {"Records": [{"Sns": sns}]},
            "responsePayload": {"source": "herald.contact", "action": "delivered"},
        }
        container = FakeContainer(self._stage)
        container.__dict__["autoreply_dependencies"] = AutoreplyDependencies(
            self._stage, self.store, self.log, SesMailer(self.ses)
        )
        with override_container(container):
            handlers.autoreply.handle({"detail": detail})


def test_the_request_to_ses_is_whole() -> None:
    world = World()
    world.run()
    assert world.ses.requests == [
        {
            "FromEmailAddress": "Shop <hello@shop.site>",
            "Destination": {"ToAddresses": ["MARKER@visitor.site"]},
            "ReplyToAddresses": ["team@shop.site"],
            "ConfigurationSetName": "own",
            "Content": {
                "Simple": {
                    "Subject": {"Data": "Got it", "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": "Hi.", "Charset": "UTF-8"}},
                    "Headers": [
                        {"Name": "Auto-Submitted", "Value": "auto-replied"},
                        {"Name": "Precedence", "Value": "bulk"},
                        {"Name": "X-Auto-Response-Suppress", "Value": "All"},
                    ],
                }
            },
        }
    ]


def test_it_is_recorded_before_it_is_sent_and_never_sent_twice(log: Any) -> None:
    class Dying(Ses):
        def send_email(self, **request: Any) -> Any:
            assert "autoreply_at" in world.table.items()["id-1"]
            raise SystemExit

    world = World()
    world.ses = Dying()
    with pytest.raises(SystemExit):
        world.run()
    world.ses = Ses()
    world.run()
    assert world.ses.requests == []
    assert log.line("Visitor's answer")["result"] == "sent before"


def test_an_error_of_ses_is_logged_by_its_code_alone(log: Any) -> None:
    world = World()
    world.ses = Ses(ServiceError("MessageRejected", 400, "Email address is not verified: MARKER@visitor.site"))
    world.run()
    line = log.line("Visitor not answered")
    assert (line["level"], line["reason"], line["message_id"]) == ("ERROR", "MessageRejected", "id-1")
    assert "MARKER" not in log.text


def test_nothing_of_the_visitors_is_logged(log: Any) -> None:
    World().run()
    assert log.line("Visitor's answer")["result"] == "sent"
    assert "MARKER" not in log.text


def test_budgets_are_counted_in_items_that_expire_and_name_nobody() -> None:
    world = World()
    log, table = world.log, world.table
    assert [log.take("default#1", 2, NOW + 60) for _ in range(3)] == [True, True, False]
    assert log.take("default#2", 2, NOW + 60)
    item = table.items()["autoreply#default#1"]
    assert (item["sent"]["N"], item["expires_at"]["N"]) == ("2", str(NOW + 60))
    world.run()
    budgets = [key for key in table.items() if key.startswith("autoreply#")]
    assert len(budgets) == 4
    assert "visitor" not in "".join(budgets)


def test_a_message_that_is_gone_is_not_claimed_back_into_being() -> None:
    world = World()
    before = world.table.items()
    assert not world.log.claim("gone", NOW)
    assert world.table.items() == before


def test_a_table_that_does_not_answer_makes_lambda_run_it_again() -> None:
    world = World()

    def fail(operation: str, request: dict[str, Any]) -> None:
        raise ServiceError("ProvisionedThroughputExceededException", 400)

    world.table.before_call = fail
    with pytest.raises(StoreError):
        world.run()
    assert world.ses.requests == []


@pytest.mark.parametrize("error", [NotSentError("ConnectTimeoutError"), ServiceError("TooManyRequestsException", 429)])
def test_whatever_goes_wrong_at_ses_is_one_error(error: Exception) -> None:
    with pytest.raises(AutoreplyError):
        SesMailer(Ses(error)).send(AUTOREPLY, "ada@visitor.site", "Got it", "Hi.")


def test_the_language_is_kept_with_the_record() -> None:
    found = World(language="de").store.find("id-1")
    assert found is not None
    assert found[0].language == "de"


def test_a_stage_that_answers_nobody_has_no_such_function(module: ModuleType) -> None:
    assert not hasattr(module, "autoreply")

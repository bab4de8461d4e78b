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
from chalicelib.settings import Autoreply, Stage
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

    def get_email_identity(self, *, EmailIdentity: str) -> Any:
        raise AssertionError("nobody asks")

    def get_account(self) -> Any:
        raise AssertionError("nobody asks")


@pytest.fixture
def of() -> Stage:
    return stage()._replace(sites={"default": site()._replace(autoreply=AUTOREPLY)})


@pytest.fixture
def table(of: Stage) -> LocalTable:
    return LocalTable(of.table)


class World:
    def __init__(self, of: Stage, table: LocalTable, ses: Ses) -> None:
        self.table, self.ses = table, ses
        store = MessageTable(table, of, lambda: NOW)  # type: ignore[arg-type]
        log = AutoreplyTable(table, of.table)  # type: ignore[arg-type]
        self.store = store
        self.container = FakeContainer(of)
        self.container.__dict__["autoreply_dependencies"] = AutoreplyDependencies(of, store, log, SesMailer(ses))

    def run(self, message_id: str = "id-1") -> None:
        with override_container(self.container):
            handlers.autoreply.handle(
                {
                    "detail": {
                        "requestContext": {"condition": "Success"},
                        "requestPayload": {
                            "Records": [
                                {"Sns": {"Message": message_id, "MessageAttributes": {"kind": {"Value": "retry"}}}}
                            ]
                        },
                        "responsePayload": {"source": "herald.contact", "action": "delivered"},
                    }
                }
            )


def stored(world: World, **more: Any) -> World:
    it = replace(message("id-1", email="MARKER@visitor.site", message="MARKER"), **more)
    world.store.add(it, Record("run-1", {"pushover": Delivery(State.DELIVERED)}))
    return world


def test_the_request_to_ses_is_whole(of: Stage, table: LocalTable) -> None:
    world = stored(World(of, table, Ses()))
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


def test_it_is_recorded_before_it_is_sent_and_never_sent_twice(of: Stage, table: LocalTable, log: Any) -> None:
    class Dying(Ses):
        def send_email(self, **request: Any) -> Any:
            assert "autoreply_at" in table.items()["id-1"]
            raise SystemExit

    world = stored(World(of, table, Dying()))
    with pytest.raises(SystemExit):
        world.run()
    again = World(of, table, Ses())
    again.run()
    assert again.ses.requests == []
    assert log.line("Visitor's answer")["result"] == "sent before"


def test_an_error_of_ses_is_logged_by_its_code_alone(of: Stage, table: LocalTable, log: Any) -> None:
    error = ServiceError("MessageRejected", 400, "Email address is not verified: MARKER@visitor.site")
    stored(World(of, table, Ses(error))).run()
    line = log.line("Visitor not answered")
    assert (line["level"], line["reason"], line["message_id"]) == ("ERROR", "MessageRejected", "id-1")
    assert "MARKER" not in log.text


def test_nothing_of_the_visitors_is_logged(of: Stage, table: LocalTable, log: Any) -> None:
    stored(World(of, table, Ses())).run()
    assert log.line("Visitor's answer")["result"] == "sent"
    assert "MARKER" not in log.text


def test_budgets_are_counted_in_items_that_expire_and_name_nobody(of: Stage, table: LocalTable) -> None:
    log = AutoreplyTable(table, of.table)  # type: ignore[arg-type]
    assert [log.take("default#1", 2, NOW + 60) for _ in range(3)] == [True, True, False]
    assert log.take("default#2", 2, NOW + 60)
    item = table.items()["autoreply#default#1"]
    assert (item["sent"]["N"], item["expires_at"]["N"]) == ("2", str(NOW + 60))
    stored(World(of, table, Ses())).run()
    budgets = [key for key in table.items() if key.startswith("autoreply#")]
    assert len(budgets) == 4
    assert "visitor" not in "".join(budgets)


def test_a_message_that_is_gone_is_not_claimed_back_into_being(of: Stage, table: LocalTable) -> None:
    log = AutoreplyTable(table, of.table)  # type: ignore[arg-type]
    assert not log.claim("gone", NOW)
    assert table.items() == {}


def test_a_table_that_does_not_answer_makes_lambda_run_it_again(of: Stage, table: LocalTable) -> None:
    world = stored(World(of, table, Ses()))

    def fail(operation: str, request: dict[str, Any]) -> None:
        raise ServiceError("ProvisionedThroughputExceededException", 400)

    table.before_call = fail
    with pytest.raises(StoreError):
        world.run()
    assert world.ses.requests == []


@pytest.mark.parametrize("error", [NotSentError("ConnectTimeoutError"), ServiceError("TooManyRequestsException", 429)])
def test_whatever_goes_wrong_at_ses_is_one_error(error: Exception) -> None:
    with pytest.raises(AutoreplyError):
        SesMailer(Ses(error)).send(AUTOREPLY, "ada@visitor.site", "Got it", "Hi.")


def test_the_language_is_kept_with_the_record(of: Stage, table: LocalTable) -> None:
    found = stored(World(of, table, Ses()), language="de").store.find("id-1")
    assert found is not None
    assert found[0].language == "de"


def test_a_stage_that_answers_nobody_has_no_such_function(module: ModuleType) -> None:
    assert not hasattr(module, "autoreply")

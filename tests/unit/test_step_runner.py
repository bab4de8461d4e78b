"""Steps say what they do, and a run that ends early says where it stands."""

from __future__ import annotations

from typing import NoReturn

import pytest

from ops.deploy.step_runner import Step, run_steps


def test_each_step_says_what_it_works_on_and_what_was_done() -> None:
    said: list[str] = []
    run_steps([Step("data", "a table", lambda: "created"), Step("logs", "groups", lambda: None)], said.append, "again")
    assert said == ["data        a table …", "            created", "logs        groups …"]


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt])
def test_whatever_ends_a_run_is_said_with_what_stands_and_what_to_do_next(end: type[BaseException]) -> None:
    def ends() -> NoReturn:
        raise end

    said: list[str] = []
    steps = [Step("data", "", lambda: "created"), Step("functions", "", ends), Step("wiring", "", lambda: None)]
    with pytest.raises(end):
        run_steps(steps, said.append, "Run next: make deploy")
    assert said[-4:] == [
        "Stopped at: functions, which may be done in part",
        "Done:       data",
        "Not begun:  wiring",
        "Run next: make deploy",
    ]

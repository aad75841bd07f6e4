"""Commands about the cut-over, and flags, where there is none: refused, and not believed."""

from __future__ import annotations

import pytest

from alterd_contracts.errors import InvalidStrategy
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import PENDING, Status
from alterd_contracts.strategy import Strategy
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_ghost.ghost import Ghost
from alterd_intake import resolve
from alterd_ptosc.ptosc import PtOsc
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Known
from alterd_vitess.vitess import Vitess
from tests.unit.test_scheduler_commands import control
from tests.unit.test_scheduler_rules import at, row

SENT = [control(Command.FORCE_CUTOVER), control(Command.CUTOVER_THRESHOLD, cutover_threshold_seconds=20)]


def told(before: Migration) -> list[tuple[int, str]]:
    """Of each command how many rows it changed, and its words."""
    found = []
    for sent in SENT:
        outcome = decide_control(sent, Known([before]), at()).outcome
        assert isinstance(outcome, Answered)
        found += [(effect.affected, effect.message) for effect in outcome.effects]
    return found


@pytest.mark.parametrize("status", Status)
def test_what_has_no_cut_over_promises_nothing_of_the_next_one(status: Status) -> None:
    why = f"is {status} already"
    if status in PENDING:
        why = (
            "has no cut-over of alterd's: MySQL or the strategy's own program carries out this statement alone, and "
            "nobody is ended for it"
        )
    assert told(row(status, strategy="mysql", cuts_over=False)) == [(0, why), (0, why)]


def test_what_is_done_at_once_can_be_forced_and_its_threshold_counts_for_a_copy_alone() -> None:
    assert told(row(Status.RUNNING, special_plan='{"operation":"instant-ddl"}')) == [
        (1, "forced from the next cut-over attempt on"),
        (1, "a cut-over threshold of 20 s from the next attempt on, if it has to be copied after all"),
    ]


@pytest.mark.parametrize(
    "strategy", [Vitess(), Mysql(), Direct(), Ghost(), PtOsc()], ids=lambda each: each.declare().strategy
)
@pytest.mark.parametrize("kind", StatementKind)
def test_an_online_alter_alone_has_a_cut_over(strategy: Strategy, kind: StatementKind) -> None:
    declared = strategy.declare()
    chosen = resolve.choices_of(check_options(parse_ddl_strategy("x"), declared, kind), declared.kind(kind))
    assert chosen.cuts_over == (isinstance(strategy, Vitess) and kind is StatementKind.ALTER_TABLE)


@pytest.mark.parametrize("strategy", [Mysql(), Direct()], ids=["mysql", "direct"])
@pytest.mark.parametrize("flag", ["cut-over-threshold=10s", "unsafe-allow-foreign-keys", "force-cut-over-after=1h"])
def test_flags_of_the_cut_over_are_refused_where_there_is_none(strategy: Strategy, flag: str) -> None:
    with pytest.raises(InvalidStrategy, match="invalid flags for") as refused:
        check_options(parse_ddl_strategy(f"x --{flag}"), strategy.declare(), others=[Vitess().declare()])
    assert "vitess" in refused.value.hint

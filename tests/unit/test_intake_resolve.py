"""What a request means, and what its shards' answers add up to."""

from __future__ import annotations

import msgspec
import pytest

from alterd_contracts.declaration import Declaration, KindDeclaration
from alterd_contracts.errors import InvalidInput, ShardUnreachable, StatementRefused, UnknownKeyspace, UnknownStrategy
from alterd_contracts.flags import CUT_OVER_THRESHOLD, POSTPONE_COMPLETION, RETAIN_ARTIFACTS
from alterd_contracts.inputs import Choices
from alterd_contracts.requests import CheckReply, DdlRequest
from alterd_contracts.statement import Statement, StatementKind, masked
from alterd_contracts.strategy import Strategy
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_intake import resolve
from alterd_intake.checking import judge
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from alterd_vitess.vitess import Vitess
from tests.unit.test_scheduler_rules import request as submission

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
ALTER = Statement(kind=StatementKind.ALTER_TABLE, ddl_action="alter", table="t", sql="alter", original="alter")


def request(**fields: object) -> DdlRequest:
    return DdlRequest(**{"request_id": "r1", "keyspace": "commerce", "sql": "x", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"request_id": "a b"},
        {"request_id": ""},
        {"keyspace": "Commerce.*"},
        {"migration_context": "a b"},
        {"uuids": ("9e8a9249-3976-11ed-9442-0a43f95f28a3",)},
        {"uuids": (UUID, UUID)},
    ],
)
def test_malformed_names_are_refused(fields: dict[str, object]) -> None:
    [error] = resolve.check_names(request(**fields))
    assert error.code == "invalid_name"
    assert error.hint


def test_uuids_are_the_same_for_every_delivery() -> None:
    first = resolve.uuids_of(request(), (ALTER, ALTER))
    assert first == resolve.uuids_of(request(), (ALTER, ALTER))
    assert len(set(first)) == 2
    assert first != resolve.uuids_of(request(request_id="r2"), (ALTER, ALTER))


def test_given_uuids_must_be_as_many_as_migrations() -> None:
    assert resolve.uuids_of(request(uuids=(UUID,)), (ALTER,)) == (UUID,)
    with pytest.raises(InvalidInput, match="1 uuids are given for 2 migrations"):
        resolve.uuids_of(request(uuids=(UUID,)), (ALTER, ALTER))


def test_unknown_names_are_told_beside_the_known_ones() -> None:
    with pytest.raises(UnknownKeyspace, match="known: commerce, users"):
        resolve.find_keyspace("x", None, ["commerce", "users"])
    with pytest.raises(UnknownStrategy, match="no executor is running"):
        resolve.find_strategy("x", {})


def test_flags_that_the_record_keeps() -> None:
    declared = Declaration(
        strategy="s", version="1", kinds=(), flags=(POSTPONE_COMPLETION, RETAIN_ARTIFACTS, CUT_OVER_THRESHOLD)
    )
    setting = parse_ddl_strategy("s --postpone-completion --retain-artifacts=1h30m --cut-over-threshold=7500ms")
    chosen = resolve.choices_of(check_options(setting, declared, StatementKind.ALTER_TABLE))
    assert chosen == Choices(retain_artifacts_seconds=5400, postpone_completion=True, cutover_threshold_seconds=8)
    chosen = resolve.choices_of(check_options(setting, declared, StatementKind.DROP_TABLE))
    assert chosen.cutover_threshold_seconds == 10, "without effect there, so it keeps its default"
    bare = Declaration(strategy="s", version="1", kinds=())
    assert resolve.choices_of(check_options(parse_ddl_strategy("s"), bare)) == Choices()


def test_a_kind_that_the_strategy_does_not_declare_is_refused() -> None:
    declared = Declaration(
        strategy="s", version="1", kinds=(KindDeclaration(kind=StatementKind.DROP_TABLE, phases=()),)
    )
    [error] = resolve.check_kinds([ALTER], declared)
    assert error.code == "unsupported_statement"
    assert error.where["statement"] == "1: alter"
    assert error.hint == "submit this statement with another strategy: `alterd plugins` says what each one runs"


def test_the_same_error_on_several_shards_is_told_once() -> None:
    refused = StatementRefused("MySQL error 1060", statement="1: alter").info()
    checked = judge({"-80": CheckReply(errors=(refused,)), "80-": CheckReply(errors=(refused,))})
    [error] = checked.errors
    assert error.where["shard"] == "-80, 80-"


def test_a_shard_that_is_away_is_a_warning_as_long_as_another_answers() -> None:
    away = ShardUnreachable("no route")
    assert judge({"-80": away, "80-": CheckReply()}).errors == ()
    assert "shard -80" in judge({"-80": away, "80-": CheckReply()}).warnings[0]
    [error] = judge({"-80": away, "80-": away}).errors
    assert error.code == "shard_unreachable"


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("CREATE USER u IDENTIFIED BY 'secret'", "CREATE USER u IDENTIFIED BY '…'"),
        ("a \"se'cret\" b 'it''s \\' secret' c", "a '…' b '…' c"),
        ("broken 'secret", "broken '…'"),
        ("ALTER TABLE `it's` ADD a int", "ALTER TABLE `it'…'"),
    ],
)
def test_what_stands_in_quotes_is_not_told(sql: str, shown: str) -> None:
    assert masked(sql) == shown
    assert "secret" not in masked(sql)


def test_a_statement_s_label_is_short_and_has_its_number() -> None:
    long = Statement(
        kind=StatementKind.ALTER_TABLE,
        ddl_action="alter",
        table="t",
        sql="alter table t\n" + "x " * 99,
        original="",
        number=7,
    )
    assert long.label.startswith("7: alter table t x x")
    assert len(long.label) <= 83


@pytest.mark.parametrize("flag", ["postpone-completion", "in-order-completion"])
def test_a_promise_that_the_strategy_cannot_keep_is_refused(flag: str) -> None:
    declared = Mysql().declare()
    setting = parse_ddl_strategy(f"mysql --{flag}")
    create = msgspec.structs.replace(ALTER, kind=StatementKind.CREATE_TABLE, number=2)
    [error] = resolve.check_promises([ALTER, create], declared, check_options(setting, declared))
    assert error.code == "invalid_strategy"
    assert f"--{flag} is not supported for alter_table in the strategy mysql" in error.message
    assert error.where["statement"] == "1: alter"
    assert resolve.check_promises([ALTER], Vitess().declare(), check_options(setting, Vitess().declare())) == []


@pytest.mark.parametrize(
    ("strategy", "kind", "concurrent", "immediate", "exclusive"),
    [
        (Vitess(), StatementKind.ALTER_TABLE, True, False, ("copy",)),
        (Vitess(), StatementKind.DROP_TABLE, True, True, ()),
        (Mysql(), StatementKind.ALTER_TABLE, False, False, ("running",)),
        (Mysql(), StatementKind.CREATE_VIEW, True, True, ()),
    ],
)
def test_what_is_declared_goes_into_the_record(
    strategy: Strategy, kind: StatementKind, concurrent: bool, immediate: bool, exclusive: tuple[str, ...]
) -> None:
    declared = strategy.declare()
    given = check_options(parse_ddl_strategy("x --allow-concurrent --postpone-launch --singleton"), declared, kind)
    chosen = resolve.choices_of(given, declared.kind(kind))
    assert (chosen.allow_concurrent, chosen.is_immediate_operation) == (concurrent, immediate)
    assert (chosen.exclusive_phases, chosen.postpone_launch) == (exclusive, True)
    assert not set(chosen.tail_phases) & set(exclusive)
    assert resolve.singletons_of(given) == ("singleton",)


@pytest.mark.parametrize("kind", StatementKind)
def test_by_direct_only_an_alter_needs_the_exclusive_place(kind: StatementKind) -> None:
    """CREATE, DROP and views begin during another one's copy, as by every strategy."""
    chosen = resolve.choices_of(
        check_options(parse_ddl_strategy("direct"), Direct().declare()), Direct().declare().kind(kind)
    )
    assert bool(chosen.exclusive_phases) == (kind is StatementKind.ALTER_TABLE)


def test_a_special_plan_counts_where_all_shards_that_answer_agree() -> None:
    plan = '{"operation":"instant-ddl"}'
    away = ShardUnreachable("away")
    checked = judge({"a": CheckReply(special_plans=(plan, "")), "b": CheckReply(special_plans=(plan, plan)), "c": away})
    assert checked.special_plans == (plan, "")
    assert judge({"a": CheckReply(special_plans=(plan,)), "b": CheckReply()}).special_plans == ()
    # nothing was tried there: it is complete, or pending
    there = CheckReply(left_out=(0,))
    assert judge({"a": CheckReply(special_plans=(plan, plan)), "b": there}).special_plans == (plan, "")
    assert judge({"a": there, "b": there}).special_plans == ()
    sent = submission("r1")
    [item] = sent.submitted
    sent = msgspec.structs.replace(sent, submitted=(item, item))
    first, second = resolve.with_special_plans(sent, checked.special_plans).submitted
    assert (first.choices.special_plan, first.choices.is_immediate_operation) == (plan, True)
    assert second == item
    assert resolve.with_special_plans(sent, ()) == sent

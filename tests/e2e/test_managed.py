"""managed-online-schema-changes.txt and online-ddl-in-vitess.txt, scenario by scenario, on two shards and on four.

docs/reference/seeds.md lists the scenarios; `cancelled` stands where the documents show `failed` for a cancelled one.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alterd_contracts.migration import COLUMNS
from alterd_contracts.states import Status
from tests.e2e.commerce import Commerce, both
from tests.support import eventually
from tests.support.ghost import get_gh_ost
from tests.support.tools import any_pt_osc

SHOWN = (
    "shard",
    "mysql_schema",
    "mysql_table",
    "ddl_action",
    "migration_uuid",
    "strategy",
    "started_timestamp",
    "completed_timestamp",
    "migration_status",
)
"""The columns of the documents' ``OnlineDDL show``, behind `Tablet`."""
STATES = f"select {', '.join(SHOWN)} from _vt.schema_migrations"
VISIBLE = (
    "shard",
    "mysql_table",
    "migration_uuid",
    "started_timestamp",
    "completed_timestamp",
    "migration_status",
)
"""Those of its VExec."""


SLOW, QUICK = "alter vitess_migration throttle all expire '10m'", "alter vitess_migration unthrottle all"
"""Every copy of the keyspace stands still, and goes on."""


async def statuses(commerce: Commerce, uuid: str) -> list[tuple[str, str]]:
    """Shard and state, as the documents' table shows them."""
    head, *rows = await commerce.vexec(uuid, STATES)
    assert head == ["Tablet", *SHOWN]
    lines = [dict(zip(head, row, strict=True)) for row in rows]
    assert all((line["migration_uuid"], line["mysql_table"]) == (uuid, "demo") for line in lines)
    return [(line["shard"], line["migration_status"]) for line in lines]


def everywhere(commerce: Commerce, status: str) -> list[tuple[str, str]]:
    return [(shard, status) for shard in commerce.shards]


# Submitting ------------------------------------------------------------------------------------------------------


async def test_a_request_is_answered_with_an_id_before_anything_changes(commerce: Commerce) -> None:
    await commerce.sql(SLOW)
    submit = ("submit", "-k", commerce.name, "--ddl-strategy", "vitess", "-o", "name")
    uuid = (await commerce.alterd(*submit, "ALTER TABLE demo MODIFY id bigint UNSIGNED")).split()[0]
    kind = (
        "SELECT column_type FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = 'demo' AND column_name = 'id'"
    )
    await commerce.until(uuid, Status.RUNNING)
    assert commerce.each(lambda shop: shop.run(kind)) == [[("int",)]] * len(commerce.shards)
    await commerce.sql(QUICK)
    await commerce.until(uuid, Status.COMPLETE)
    assert commerce.each(lambda shop: shop.run(kind)) == [[("bigint unsigned",)]] * len(commerce.shards)


async def test_what_cannot_be_is_refused_at_once_and_nothing_is_queued(commerce: Commerce) -> None:
    submit = ("submit", "-k", commerce.name, "--ddl-strategy", "vitess")
    told = await commerce.alterd(*submit, "ALTER TABLE demo add column status int", code=4)
    assert "MySQL error 1060 (42S21): Duplicate column name 'status'" in told
    assert await commerce.rows("show vitess_migrations") == []


async def test_a_strategy_is_the_sessions_own(commerce: Commerce) -> None:
    """One that no plugin has says so at once."""
    told = await commerce.sql("SET @@ddl_strategy='fb-osc'; ALTER TABLE demo ADD COLUMN sample INT", code=3)
    assert "[unknown_strategy]" in told
    uuid = await commerce.ddl("mysql", "ALTER TABLE demo ADD COLUMN sample INT;")
    await commerce.until(uuid, Status.COMPLETE)
    assert set((await commerce.column(uuid, "strategy")).values()) == {"mysql"}
    # another session knows nothing of it
    assert await commerce.rows("select @@ddl_strategy") == [{"@@ddl_strategy": "vitess"}]
    assert await commerce.rows("set @@ddl_strategy=''; select @@ddl_strategy as s") == [{"s": "direct"}]
    told = await commerce.alterd("sql", "-k", commerce.name, "set @@ddl_strategy='direct'; create table here(id int)")
    assert "| uuid " in told
    assert all("here" in names for names in commerce.each(lambda shop: shop.tables()))


@pytest.mark.parametrize(
    ("text", "program", "words"),
    [
        ("gh-ost --max-load Threads_running=200", get_gh_ost, "gh-ost cut over"),
        ("pt-osc --null-to-not-null", any_pt_osc, "the old table is _alterd_old_"),
    ],
    ids=["gh-ost", "pt-osc"],
)
async def test_a_tool_of_choice_runs_with_its_arguments(
    commerce: Commerce, text: str, program: Callable[[], object], words: str
) -> None:
    program()
    uuid = await commerce.ddl(text, "ALTER TABLE demo ADD COLUMN sample INT")
    await commerce.until(uuid, Status.COMPLETE)
    assert set((await commerce.column(uuid, "strategy")).values()) == {text.partition(" ")[0]}
    assert all(words in message for message in (await commerce.column(uuid, "message")).values())
    assert all("sample" in columns for columns in commerce.each(lambda shop: shop.columns("demo")))
    logs = await commerce.rows(f"show vitess_migration '{uuid}' logs")
    assert any(text.split()[1] in str(row) or "Threads_running" in str(row) for row in logs) or text[:2] == "pt"


async def test_a_statement_becomes_what_can_be_managed(commerce: Commerce) -> None:
    """Several tables to drop are several migrations; CREATE INDEX is an ALTER TABLE."""
    out = await commerce.sql(
        "set @@ddl_strategy='vitess'; drop table demo, another_table; create index i on customer (a)"
    )
    *drops, index = (line.strip("| ") for line in out.splitlines() if line[:3] not in ("+--", "| u"))
    assert len(drops) == 2
    for uuid, table in zip(drops, ("demo", "another_table"), strict=True):
        await commerce.until(uuid, Status.COMPLETE)
        assert set((await commerce.column(uuid, "ddl_action", "mysql_table")).values()) == {("drop", table)}
    await commerce.until(index, Status.COMPLETE)
    assert set((await commerce.column(index, "ddl_action", "mysql_table")).values()) == {("alter", "customer")}
    assert all(names == ["PRIMARY", "i"] for names in commerce.each(lambda shop: shop.indexes()))


async def test_a_dropped_table_is_held_under_another_name_until_it_is_cleaned_up(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess", "DROP TABLE demo;")
    await commerce.until(uuid, Status.COMPLETE)
    head, *rows = await commerce.vexec(uuid, "select shard, artifacts from _vt.schema_migrations")
    assert head == ["Tablet", "shard", "artifacts"]
    for (_, shard, artifacts), shop in zip(rows, commerce.shops.values(), strict=True):
        held = artifacts.rstrip(",")
        assert held.startswith("_alterd_hld_"), shard
        assert held in shop.tables()
        assert "demo" not in shop.tables()
        assert shop.run(f"SELECT COUNT(*) FROM {held}") == [(2,)]
    assert await commerce.affected(f"alter vitess_migration '{uuid}' cleanup") == len(commerce.shards)
    await commerce.until(uuid, lambda row: row.cleanup_timestamp is not None)
    assert set((await commerce.column(uuid, "artifacts")).values()) == {""}
    assert all("_alterd_hld" not in name for names in commerce.each(lambda shop: shop.tables()) for name in names)


# Running and looking ---------------------------------------------------------------------------------------------


async def test_one_runs_after_the_other(commerce: Commerce) -> None:
    await commerce.sql(SLOW)
    first = await commerce.ddl("vitess", "ALTER TABLE demo ADD COLUMN a int;")
    await commerce.until(first, Status.RUNNING)
    second = await commerce.ddl("vitess", "ALTER TABLE another_table ADD COLUMN a int;")
    assert set((await commerce.column(second, "migration_status", "started_timestamp")).values()) == {("queued", None)}
    await commerce.sql(QUICK)
    await commerce.until(second, Status.COMPLETE)
    ended, begun = (
        await commerce.column(first, "completed_timestamp"),
        await commerce.column(second, "started_timestamp"),
    )
    assert all(ended[shard] <= begun[shard] for shard in commerce.shards)


async def test_each_shard_shows_its_own_state(commerce: Commerce) -> None:
    """One is complete while the others run; then those end. By uuid, recent, and by state."""
    first, *others = commerce.shards
    names = ",".join(others)
    await commerce.sql(f"alter vitess_migration throttle all expire '10m' vitess_shards '{names}'")
    uuid = await commerce.ddl("vitess", "ALTER TABLE demo MODIFY id bigint UNSIGNED")
    await commerce.until(uuid, Status.COMPLETE, first)
    await commerce.until(uuid, Status.RUNNING, *others)
    assert await statuses(commerce, uuid) == [(first, "complete"), *((shard, "running") for shard in others)]
    whole = await commerce.alterd("show", uuid)
    assert f"running {len(others)}, complete 1" in whole
    [line] = [
        line for line in (await commerce.alterd("show", "running", "-k", commerce.name)).splitlines() if uuid in line
    ]
    assert f"{len(others)} of {len(commerce.shards)} shards" in line
    await commerce.alterd("cancel", uuid)
    await commerce.until(uuid, Status.CANCELLED, *others)
    head, *rows = await commerce.vexec(uuid, STATES)
    ends = {row[1]: (row[head.index("completed_timestamp")] != "", row[-1]) for row in rows}
    assert ends == {first: (True, "complete")} | dict.fromkeys(others, (True, "cancelled"))
    for which, there in (
        ("recent", commerce.shards),
        ("all", commerce.shards),
        ("complete", (first,)),
        ("cancelled", others),
        *((state, ()) for state in ("queued", "ready", "running", "failed")),
    ):
        found = await commerce.json("show", which, "-k", commerce.name)
        assert sorted(row["shard"] for row in found) == sorted(there), which
        assert all(list(row) == list(COLUMNS) for row in found)


async def test_progress_is_told_over_all_shards_at_once(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --postpone-completion", "ALTER TABLE demo ADD COLUMN a int;")
    await commerce.ready(uuid)
    count = len(commerce.shards)

    async def told() -> bool:
        """The progress of the runs, which is told each second, has come to its end too."""
        shown = await commerce.alterd("show", uuid)
        return f"ready_to_complete: {count} of {count} shards" in shown and "progress: 100%" in shown

    await eventually(told)
    lines = (await commerce.alterd("show", uuid)).splitlines()
    assert [line.split()[0] for line in lines[-count:]] == list(commerce.shards)
    assert lines[-count - 1].split() == [
        "shard",
        "migration_status",
        "progress",
        "eta",
        "started",
        "completed",
        "message",
    ]
    by_shard = await commerce.alterd("show", "running", "-k", commerce.name, "--by-shard")
    assert by_shard.count(uuid) == count


# Cancelling and retrying -----------------------------------------------------------------------------------------


async def test_a_cancel_ends_what_runs_and_changes_nothing_twice(commerce: Commerce) -> None:
    await commerce.sql(SLOW)
    uuid = await commerce.ddl("vitess", "ALTER TABLE demo MODIFY id bigint UNSIGNED")
    await commerce.until(uuid, Status.RUNNING)
    assert await statuses(commerce, uuid) == everywhere(commerce, "running")
    answer = await commerce.json("cancel", uuid)
    assert [(each["shard"], each["affected"]) for each in answer["effects"]] == [(s, 1) for s in commerce.shards]
    await commerce.until(uuid, Status.CANCELLED)
    assert await statuses(commerce, uuid) == everywhere(commerce, "cancelled")
    assert "is cancelled already" in await commerce.alterd("cancel", uuid, code=4)
    assert await commerce.affected(f"alter vitess_migration '{uuid}' cancel") == 0


async def test_cancel_all_takes_all_of_a_keyspace_from_its_queue(commerce: Commerce) -> None:
    commerce.run("CREATE TABLE corder (id int PRIMARY KEY, qty int)")
    alters = "".join(f"alter table corder add column c{n} int;" for n in range(5))
    out = await commerce.sql(f"set @@ddl_strategy='vitess --postpone-launch'; {alters}")
    uuids = [line.strip("| ") for line in out.splitlines() if line[:3] not in ("+--", "| u")]
    assert len(uuids) == 5
    queued = "show vitess_migrations where mysql_table = 'corder' and migration_status = '{}'"
    assert len(await commerce.rows(queued.format("queued"))) == 5 * len(commerce.shards)
    answer = await commerce.json("cancel", "all", "-k", commerce.name)
    assert answer["affected"] == 5 * len(commerce.shards)
    assert {each["migration_uuid"] for each in answer["effects"]} == set(uuids)
    assert len(await commerce.rows(queued.format("cancelled"))) == 5 * len(commerce.shards)
    assert await commerce.affected("alter vitess_migration cancel all") == 0


async def test_a_retry_runs_it_again_as_it_was_submitted(commerce: Commerce) -> None:
    await commerce.sql(SLOW)
    options = "--postpone-completion --cut-over-threshold=15s"
    uuid = await commerce.ddl(f"vitess {options}", "ALTER TABLE demo MODIFY id bigint UNSIGNED")
    retry = f"alter vitess_migration '{uuid}' retry"
    await commerce.until(uuid, Status.RUNNING)
    assert await commerce.affected(retry) == 0
    await commerce.alterd("cancel", uuid)
    await commerce.until(uuid, Status.CANCELLED)
    await commerce.alterd("hold", "-k", commerce.name)  # so that the moment in the queue can be seen
    assert await commerce.affected(retry) == len(commerce.shards)
    told = await commerce.column(uuid, "migration_status", "started_timestamp", "completed_timestamp", "retries")
    assert set(told.values()) == {("queued", None, None, 1)}
    await commerce.alterd("release", "-k", commerce.name)
    await commerce.until(uuid, Status.RUNNING)
    assert await statuses(commerce, uuid) == everywhere(commerce, "running")
    assert set((await commerce.column(uuid, "options")).values()) == {options}
    await commerce.sql(QUICK)
    await commerce.ready(uuid)
    assert await commerce.affected(f"alter vitess_migration '{uuid}' complete") == len(commerce.shards)
    await commerce.until(uuid, Status.COMPLETE)
    assert await commerce.affected(retry) == 0


# VExec -----------------------------------------------------------------------------------------------------------


@both
async def test_vexec_cancels_and_retries_on_one_shard(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --postpone-completion", "ALTER TABLE demo MODIFY id bigint UNSIGNED")
    await commerce.ready(uuid)
    one = commerce.shards[1]

    async def seen() -> dict[str, str]:
        head, *rows = await commerce.vexec(uuid, f"select {', '.join(VISIBLE)} from _vt.schema_migrations")
        assert head == ["Tablet", *VISIBLE]
        assert all((row[2], row[3]) == ("demo", uuid) for row in rows)
        return {row[1]: row[-1] for row in rows}

    assert await seen() == dict.fromkeys(commerce.shards, "running")
    where = f"where migration_uuid='{uuid}' and shard='{one}'"
    cancel = f"update _vt.schema_migrations set migration_status='cancel' {where}"
    head, (executor, affected) = await commerce.vexec(uuid, cancel)
    assert (head, affected) == (["Tablet", "RowsAffected"], "1")
    assert executor.startswith("executor")
    await commerce.until(uuid, Status.CANCELLED, one)
    assert await seen() == dict.fromkeys(commerce.shards, "running") | {one: "cancelled"}
    told = await commerce.alterd("vexec", f"{commerce.name}.{uuid}", cancel)
    assert told.startswith("<no result>\n")
    assert "is cancelled already" in told
    retry = f"update _vt.schema_migrations set migration_status='retry' {where}"
    assert await commerce.vexec(uuid, retry) == [["Tablet", "RowsAffected"], [executor, "1"]]
    await commerce.until(uuid, lambda row: row.retries == 1 and row.ready_to_complete, one)
    assert await seen() == dict.fromkeys(commerce.shards, "running")
    every = "update _vt.schema_migrations set migration_status='cancel'"
    head, *rows = await commerce.vexec(uuid, every)
    assert (head, [row[1] for row in rows]) == (["Tablet", "RowsAffected"], ["1"] * len(commerce.shards))
    await commerce.until(uuid, Status.CANCELLED)
    assert "every migration of the keyspace" in await commerce.alterd("vexec", commerce.name, every, code=2)


async def test_vexec_selects_what_show_leaves_out_and_changes_nothing_else(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --postpone-launch", "ALTER TABLE demo ADD COLUMN a int")
    count = len(commerce.shards)
    head, *rows = await commerce.vexec(uuid, "select * from _vt.schema_migrations")
    assert (head, len(rows)) == (["Tablet", *COLUMNS], count)
    assert {row[head.index("options")] for row in rows} == {"--postpone-launch"}
    head, *rows = await commerce.vexec(uuid, "select shard, log_path from _vt.schema_migrations")
    assert (head, [row[1] for row in rows]) == (["Tablet", "shard", "log_path"], list(commerce.shards))
    assert await commerce.vexec(uuid, "select count(*) as n from _vt.schema_migrations") == [["n"], [str(count)]]
    for text in (
        "delete from _vt.schema_migrations",
        "insert into _vt.schema_migrations (migration_uuid) values ('x')",
        "update _vt.schema_migrations set migration_status='complete'",
        "update _vt.schema_migrations set retries=0",
    ):
        await commerce.alterd("vexec", f"{commerce.name}.{uuid}", text, code=2)
    assert await statuses(commerce, uuid) == everywhere(commerce, "queued")


# Throttling ------------------------------------------------------------------------------------------------------


async def test_what_is_throttled_waits_and_is_shown(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --postpone-launch", "ALTER TABLE demo ADD COLUMN a int")
    await commerce.sql(f"alter vitess_migration '{uuid}' throttle expire '10m' ratio 0.5")
    [rule] = await commerce.rows("show vitess_throttled_apps")
    assert list(rule) == ["app", "expire_at", "ratio", "shard"]
    assert (rule["app"], rule["ratio"], rule["shard"]) == (uuid, 0.5, "")
    assert set((await commerce.column(uuid, "user_throttle_ratio")).values()) == {0.5}
    await commerce.sql(f"alter vitess_migration '{uuid}' throttle expire '10m'")
    await commerce.sql(f"alter vitess_migration '{uuid}' launch")
    await commerce.until(uuid, lambda row: bool(row.reason_throttled))
    said = await commerce.column(uuid, "migration_status", "reason_throttled", "component_throttled")
    assert {(status, reason) for status, reason, _ in said.values()} == {("running", f"{uuid} is throttled by a user")}
    await commerce.sql(f"alter vitess_migration '{uuid}' unthrottle")
    assert await commerce.rows("show vitess_throttled_apps") == []
    await commerce.until(uuid, Status.COMPLETE)

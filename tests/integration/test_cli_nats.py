"""The command line against a real NATS: records, facts and logs written here, read there."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from alterd_cli.watching import follow
from alterd_contracts.migration import COLUMNS
from alterd_contracts.states import Status
from alterd_runtime.bus import Bus
from alterd_runtime.provision.nats_server import NatsServer
from tests.integration.cli_support import OTHER, UUID, CommandLine, record, write


@pytest.mark.usefixtures("rows")
class TestShow:
    def test_as_json_all_columns_in_order_joined_with_progress(self, alterd: CommandLine) -> None:
        shown = alterd.json("show", UUID)
        assert [row["shard"] for row in shown] == ["0", "1"]
        assert all(tuple(row) == COLUMNS for row in shown)
        assert (shown[0]["progress"], shown[0]["rows_copied"], shown[0]["stage"]) == (42.5, 17, "copying")
        assert (shown[1]["migration_status"], shown[1]["progress"]) == ("queued", 0.0)

    def test_by_state_context_keyspace_shard_and_age(self, alterd: CommandLine) -> None:
        def uuids(*arguments: str) -> list[tuple[str, str]]:
            return [(row["keyspace"], row["shard"]) for row in alterd.json("show", *arguments)]

        assert uuids() == [("shop", "0"), ("shop", "1"), ("other", "0")]
        assert uuids("all") == [*uuids(), ("old", "0")]
        assert uuids("running") == [("shop", "0")]
        assert uuids("complete") == [("other", "0")]
        assert uuids("deploy-1", "-k", "shop") == [("shop", "0"), ("shop", "1")]
        assert uuids("all", "--shard", "1") == [("shop", "1")]
        assert uuids("failed") == []
        assert uuids("all", "--limit", "1") == [("shop", "0"), ("shop", "1")]
        assert uuids("all", "--skip", "1", "--limit", "1") == [("other", "0")]
        assert uuids("all", "--newest-first", "--limit", "2") == [("old", "0"), ("other", "0")]

    def test_as_table_one_line_over_all_shards(self, alterd: CommandLine) -> None:
        out, err = alterd.run("show", "-k", "shop")
        _, line = out.splitlines()
        assert err == ""
        assert line.split()[:4] == [UUID, "shop", "2", "shards"]
        assert "running 1, queued 1" in line
        assert "21%" in line

    def test_as_table_a_line_for_each_shard(self, alterd: CommandLine) -> None:
        out, err = alterd.run("show", "-k", "shop", "--by-shard")
        head, first, second = out.splitlines()
        assert err == ""
        assert head.split()[:4] == ["migration_uuid", "keyspace", "shard", "mysql_table"]
        assert first.split()[:9] == [UUID, "shop", "0", "orders", "alter", "mysql", "running", "42%", "1m15s"]
        assert second.split()[6:8] == ["queued", "0%"]

    def test_one_in_detail(self, alterd: CommandLine) -> None:
        out, _ = alterd.run("show", UUID)
        assert "migration_statement: alter table orders add note text" in out
        assert "reverted_uuid" not in out

    def test_unknown_and_malformed_uuids(self, alterd: CommandLine) -> None:
        absent = OTHER.replace("1", "9")
        _, err = alterd.run("show", absent, code=3)
        assert err.startswith(f"error: there is no migration {absent}\nhint: ")
        _, err = alterd.run("show", UUID.replace("_", "-"), code=2)
        assert "malformed" in err
        assert alterd.json("show", absent, code=3)["errors"][0]["code"] == "unknown_migration"


@pytest.mark.usefixtures("rows")
class TestWatch:
    def test_to_the_end(self, alterd: CommandLine) -> None:
        process = alterd.start("watch", UUID)
        assert process.stdout is not None
        seen = [process.stdout.readline(), process.stdout.readline()]
        assert "running 42% copying, 17 rows, eta 1m15s" in seen[0]
        assert f"{UUID} shop/1 alter orders queued" in seen[1]

        async def finish(bus: Bus) -> None:
            await write(bus, record(migration_status=Status.COMPLETE))
            await write(bus, record(shard="1", migration_status=Status.FAILED, message="no\x1b[31m space"))

        alterd.on_bus(finish)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "shop/0 alter orders complete" in out
        assert "shop/1 alter orders failed no [31m space" in out

    @pytest.mark.parametrize(("uuid", "code"), [(OTHER, 0), (OTHER[:-1] + "6", 6)])
    def test_what_has_ended(self, alterd: CommandLine, uuid: str, code: int) -> None:
        alterd.run("watch", uuid, code=code)

    def test_a_retry_begins_again(self, alterd: CommandLine) -> None:
        both = [record(shard=shard, migration_status=Status.FAILED) for shard in ("0", "1")]

        async def fail_and_retry(bus: Bus) -> None:
            await write(bus, both[0])
            await write(bus, record(migration_status=Status.QUEUED))
            await write(bus, both[1])

        alterd.on_bus(fail_and_retry)
        process = alterd.start("watch", UUID)
        assert process.stdout is not None
        assert {"failed", "queued"} == {process.stdout.readline().split()[-1] for _ in range(2)}

        async def complete(bus: Bus) -> None:
            for shard in ("1", "0"):
                await write(bus, record(shard=shard, migration_status=Status.COMPLETE))

        alterd.on_bus(complete)
        process.communicate(timeout=20)
        assert process.returncode == 0

    def test_a_uuid_that_is_given_twice(self, alterd: CommandLine) -> None:
        alterd.run("watch", OTHER, OTHER, code=0)

        async def twice(bus: Bus) -> None:
            async with asyncio.timeout(20):
                assert await follow(bus, [OTHER, OTHER]) == 0

        alterd.on_bus(twice)

    def test_unknown(self, alterd: CommandLine) -> None:
        alterd.run("watch", OTHER.replace("1", "9"), code=3)
        alterd.run("watch", "nonsense", code=2)


class TestKeyspaces:
    TOML = """
        [keyspace]
        name = "shop"
        default_ddl_strategy = "mysql"
        [[keyspace.shards]]
        name = "0"
        schema = "shop"
        servers = ["127.0.0.1:1"]
        user = "alterd"
        password = { env = "ALTERD_TEST_NO_SUCH_SECRET" }
    """

    def test_applied_shown_and_doctored(self, alterd: CommandLine, tmp_path: Path) -> None:
        file = tmp_path / "shop.toml"
        file.write_text(self.TOML)
        alterd.run("keyspace", "apply", str(file))
        assert [each["name"] for each in alterd.json("keyspace", "list")] == ["shop"]
        assert alterd.json("keyspace", "show", "shop")["shards"][0]["servers"] == [{"host": "127.0.0.1", "port": 1}]
        out, _ = alterd.run("keyspace", "show", "shop")
        assert "from environment variable ALTERD_TEST_NO_SUCH_SECRET" in out
        alterd.run("keyspace", "show", "none", code=3)
        found = {(each["part"], each["level"]) for each in alterd.json("doctor", code=1)}
        assert {
            ("nats", "ok"),
            ("nats", "warn"),
            ("intake", "fail"),
            ("scheduler", "fail"),
            ("executor", "fail"),
        } <= found
        assert ("shop/0", "warn") in found
        alterd.run("doctor", "-k", "none", code=3)

    def test_a_bad_file(self, alterd: CommandLine, tmp_path: Path) -> None:
        file = tmp_path / "bad.toml"
        file.write_text(self.TOML.replace('{ env = "ALTERD_TEST_NO_SUCH_SECRET" }', '"hunter2"'))
        _, err = alterd.run("keyspace", "apply", str(file), code=2)
        assert "hunter2" not in err
        assert err.startswith("error: keyspace.shards[0].password ")
        alterd.run("keyspace", "apply", str(tmp_path / "absent.toml"), code=2)


def test_nats_is_down(tmp_path: Path) -> None:
    line = CommandLine("nats://127.0.0.1:1", tmp_path)
    began = time.monotonic()
    _, err = line.run("show", code=5)
    assert time.monotonic() - began < 5
    assert err.startswith("error: NATS does not answer at nats://127.0.0.1:1\nhint: ")


def test_the_nats_of_up_is_found(quiet_nats: NatsServer, alterd: CommandLine, tmp_path: Path) -> None:
    line = CommandLine(quiet_nats.url, tmp_path)
    del line.environ["ALTERD_NATS__SERVERS"]
    (tmp_path / "nats.url").write_text(quiet_nats.url + "\n")
    line.run("keyspace", "list")
    _, err = line.run("show", "--nats", "nats://127.0.0.1:1", code=5)
    assert "this address is from --nats" in err
    assert alterd.url == quiet_nats.url

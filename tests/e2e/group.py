"""A primary and a replica that a test may kill, stop and promote, and the address behind which the primary changes."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from alterd_contracts.topology import Keyspace
from alterd_runtime.provision.replication import follow, promote, wait_caught_up
from alterd_runtime.provision.server import Server
from tests.support import eventually
from tests.support.servers import keyspace_of, new_server, shop_at
from tests.support.shop import Shop
from tests.support.vip import Vip


class Group:
    """The shard's two servers. Applications reach the primary by `shop`, alterd both by their own addresses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.primary = new_server(folder / "primary")
        self.replica = new_server(folder / "replica", self.primary.endpoint.credentials.password)
        self.vip = Vip()
        self.schema = f"shop_{secrets.token_hex(4)}"

    def start(self) -> None:
        self.vip.__enter__()
        self.primary.start()
        self.replica.start()
        follow(self.replica.endpoint, self.primary.endpoint, self.primary.source)
        self.at(self.primary, schema="").run(f"CREATE SCHEMA {self.schema}")
        assert wait_caught_up(self.replica.endpoint, self.primary.endpoint, 60)
        self.vip.point(self.primary.endpoint.address)

    def remove(self) -> None:
        self.vip.__exit__()
        self.replica.remove()
        self.primary.remove()

    def semi_synchronous(self) -> None:
        """AFTER_SYNC: what is acknowledged by the primary is on the replica."""
        source, replica = self.at(self.primary), self.at(self.replica)
        # a super_read_only server takes no plugin
        replica.run("SET GLOBAL super_read_only = OFF")
        replica.run("INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'")
        replica.run("SET GLOBAL super_read_only = ON")
        replica.run("SET GLOBAL rpl_semi_sync_replica_enabled = ON")
        source.run("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
        source.run("SET GLOBAL rpl_semi_sync_source_timeout = 3600000")
        replica.run("STOP REPLICA IO_THREAD")
        replica.run("START REPLICA IO_THREAD")
        source.run("SET GLOBAL rpl_semi_sync_source_enabled = ON")

    async def until_semi_synchronous(self) -> None:
        source = self.at(self.primary)

        def both() -> bool:
            told = {
                name: source.run(f"SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_{name}'")[0][1]
                for name in ("clients", "status")
            }
            return told == {"clients": "1", "status": "ON"}

        await eventually(both, timeout=60)

    # Who is asked ----------------------------------------------------------------------------------------------

    @property
    def shop(self) -> Shop:
        """The primary, whichever it is: the way of an application."""
        credentials = self.primary.endpoint.credentials
        return Shop((str(self.vip.address),), credentials.user, credentials.password, self.schema)

    def at(self, server: Server, schema: str | None = None) -> Shop:
        """One of the two, by its own address."""
        plain = shop_at(server.endpoint)
        return Shop(plain.servers, plain.user, plain.password, self.schema if schema is None else schema)

    def keyspace(self, *without: Server) -> Keyspace:
        """Both servers, in an order that tells nothing, but for some."""
        named = [server for server in (self.replica, self.primary) if server not in without]
        servers = tuple(str(server.endpoint.address) for server in named)
        plain = self.at(self.primary)
        return keyspace_of(Shop(servers, plain.user, plain.password, self.schema), self._folder / "keyspace")

    def executed(self, server: Server) -> str:
        return str(self.at(server).run("SELECT @@global.gtid_executed")[0][0])

    # What happens to them --------------------------------------------------------------------------------------

    async def kill_primary(self) -> None:
        """kill -9. Applications find nobody."""
        await asyncio.to_thread(self.primary.kill)
        self.vip.point(None)

    async def promote(self) -> None:
        """Once the replica has applied all that it received."""
        await asyncio.to_thread(promote, self.replica.endpoint, 60)
        self.vip.point(self.replica.endpoint.address)

    def rejoin(self) -> None:
        """After a planned change: the old primary follows the new one, and their roles are exchanged here too.

        Raises `UnsafeShard` when something was written to it meanwhile.
        """
        follow(self.primary.endpoint, self.replica.endpoint, self.replica.source)
        self.primary, self.replica = self.replica, self.primary

    async def fail_over(self) -> None:
        await self.kill_primary()
        await self.promote()

    async def switch_over(self) -> str:
        """Planned, nothing is lost, both live on: what the old primary has executed.

        It is read only from then on, but for accounts of rank: only who looks is kept from writing.
        """
        old = self.at(self.primary)
        self.vip.point(None)
        await asyncio.to_thread(old.run, "SET GLOBAL super_read_only = ON")
        assert await asyncio.to_thread(wait_caught_up, self.replica.endpoint, self.primary.endpoint, 60)
        executed = self.executed(self.primary)
        await asyncio.to_thread(promote, self.replica.endpoint, 60)
        old.run("SET GLOBAL super_read_only = OFF")
        self.vip.point(self.replica.endpoint.address)
        return executed

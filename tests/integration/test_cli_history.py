"""Facts and logs, as the command line shows them."""

from __future__ import annotations

import json

from alterd_contracts import subjects
from alterd_contracts.events import Fact
from alterd_contracts.states import Status
from alterd_contracts.work import LogLine
from alterd_runtime.bus import Bus
from tests.integration.cli_support import NOW, OTHER, UUID, CommandLine, record, tell, write


def test_events_and_logs(alterd: CommandLine) -> None:
    async def fill(bus: Bus) -> None:
        await write(bus, record(migration_status=Status.RUNNING))
        for fact in (Fact.QUEUED, Fact.STARTED):
            await tell(bus, fact)
        line = LogLine(time=NOW, level="info", text="two  blanks", attempt=1, executor="e")
        await bus.publish(subjects.log("shop", "0", UUID), line, id="line")

    alterd.on_bus(fill)
    assert [event["fact"] for event in alterd.json("events", "--uuid", UUID)] == ["queued", "started"]
    assert alterd.json("events", "-k", "nowhere") == []
    out, _ = alterd.run("events")
    assert [line.split()[2] for line in out.splitlines()] == ["queued", "started"]
    out, _ = alterd.run("logs", UUID)
    assert out.endswith(f"{NOW:%H:%M:%S}  shop/0 #1 info    two  blanks\n")
    assert alterd.json("logs", UUID)[0]["text"] == "two  blanks"
    alterd.run("logs", OTHER.replace("1", "9"), code=3)

    following = alterd.start("events", "--follow", "-o", "json")
    assert following.stdout is not None
    assert [json.loads(following.stdout.readline())["fact"] for _ in range(2)] == ["queued", "started"]
    following.send_signal(2)
    following.communicate(timeout=20)
    assert following.returncode == 130

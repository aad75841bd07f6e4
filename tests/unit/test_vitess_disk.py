"""How much room a copy needs, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

from alterd_runtime.mysql.tables import Index, Table
from alterd_vitess.disk import Budget, Disk, Needed, Sizes, Unknown, disks, is_here, judge, needed, shown, warning

GB = 10**9


def table(*indexes: str) -> Table:
    return Table(
        name="t",
        engine="innodb",
        partitioned=False,
        estimate=0,
        columns=(),
        indexes=tuple(
            Index(name=name, unique=False, columns=("a",), parts=(0,), nullable=True, visible=True, type="BTREE")
            for name in indexes
        ),
    )


def test_what_a_copy_needs() -> None:
    sizes = Sizes(10 * GB, 4 * GB)
    one, two = table("PRIMARY", "a", "b"), table("PRIMARY", "a", "b", "c")
    assert needed(sizes, one, one, compressed=False) == Needed(round(15.4 * GB), 10 * GB)
    assert needed(sizes, one, two, compressed=True) == Needed(round(17.6 * GB), 5 * GB)
    assert needed(sizes, two, table("PRIMARY"), compressed=False).shadow == 11 * GB
    assert needed(Sizes(4 * GB, 0), table("PRIMARY"), table("PRIMARY", "a"), compressed=False).shadow == round(5.5 * GB)


def test_room_is_judged_in_numbers() -> None:
    full = judge([Disk("/data", 12 * GB, 31 * GB)], "t", GB)
    assert full is not None
    assert full.message == "the copy of t needs about 31.0 GB and 1.0 GB must be left, 12.0 GB are free on /data"
    assert "PURGE BINARY LOGS" in full.hint
    assert judge([Disk("/data", 32 * GB, 31 * GB)], "t", GB) is None
    assert judge([Disk("/data", 100 * GB, 31 * GB), Disk("/binlog", GB, GB)], "t", 1) is not None
    over = judge(Budget(GB, 2 * GB), "t", 0)
    assert over is not None
    assert "disk_budget allows 1.0 GB" in over.message
    assert judge(Budget(2 * GB, 2 * GB), "t", 5 * GB) is None
    assert judge(Unknown(500 * GB), "t", GB) is None


def test_what_nobody_knows_is_said_of_large_tables() -> None:
    assert "about 5.0 GB, is not known" in warning(Unknown(5 * GB), "t")
    assert warning(Unknown(1000), "t") == ""
    assert warning([Disk("/", 1, 1)], "t") == ""


def test_a_folder_is_a_servers_when_its_own_file_says_so(tmp_path: Path) -> None:
    uuid = "7bbc23c8-e597-11f1-9577-02fc00000001"
    assert not is_here(str(tmp_path), uuid)
    (tmp_path / "auto.cnf").write_text(f"[auto]\nserver-uuid={uuid}\n")
    assert is_here(str(tmp_path), uuid.upper())
    assert not is_here(str(tmp_path), uuid.replace("7", "8"))


def test_folders_of_one_file_system_share_its_room(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    [found] = disks({str(tmp_path): 5, str(tmp_path / "a"): 7, str(tmp_path / "gone"): 9})
    assert (found.path, found.needed) == (str(tmp_path), 12)
    room = os.statvfs(tmp_path)
    assert 0 < found.free <= room.f_blocks * room.f_frsize


def test_sizes_for_people() -> None:
    assert [shown(size) for size in (5, 1500, 123_000_000, 31 * GB, 2_500 * GB)] == [
        "5 B",
        "1.5 KB",
        "123 MB",
        "31.0 GB",
        "2.5 TB",
    ]

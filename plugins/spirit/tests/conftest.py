"""The servers of alterd's own tests, and the plugin as it lies here; once it is installed: `test_spirit_installed`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE.parents[2], HERE.parent):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

from tests.e2e.conftest import client, fleet, pytest_runtest_makereport  # noqa: E402

from tests.conftest import mysql_pair, mysql_primary, nats, nats_url, shop  # noqa: E402

__all__ = ["client", "fleet", "mysql_pair", "mysql_primary", "nats", "nats_url", "pytest_runtest_makereport", "shop"]

"""Accounts with exactly the privileges that a test names."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from alterd_runtime.mysql.grants import Need, statements
from tests.support.shop import Shop


@contextmanager
def account(shop: Shop, needs: Iterable[Need]) -> Iterator[Shop]:
    """The same schema, seen by a new account that has these privileges and no others."""
    name = f"least_{secrets.token_hex(4)}"
    least = Shop(shop.servers, name, "geheim", shop.schema)
    shop.run(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{least.password}'")
    try:
        for sql in statements(needs, shop.schema, f"'{name}'@'%'"):
            shop.run(sql)
        yield least
    finally:
        shop.run(f"DROP USER '{name}'@'%'")

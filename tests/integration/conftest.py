"""Fixtures of integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.shop import Shop


@pytest.fixture(params=["required", "off"])
def tls(request: pytest.FixtureRequest, shop: Shop) -> Iterator[str]:
    """A server that demands TLS, and one that has none."""
    if request.param == "required":
        change = ["SET GLOBAL require_secure_transport = ON"]
        back = ["SET GLOBAL require_secure_transport = OFF"]
    else:
        [(certificate,)] = shop.run("SELECT @@global.ssl_cert")
        change = ["SET GLOBAL ssl_cert = 'nowhere'", "ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR"]
        back = [f"SET GLOBAL ssl_cert = '{certificate}'", "ALTER INSTANCE RELOAD TLS"]
    for statement in change:
        shop.run(statement)
    yield request.param
    for statement in back:
        shop.run(statement)

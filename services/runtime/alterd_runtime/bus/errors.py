"""Errors of the bus.

AlterdError
├── BusUnreachable (contracts)      no answer within the budget: what was sent may still arrive
└── StaleWrite                      somebody else wrote since: what is known here is old
    └── LeaseLost                   another holder has the lease
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
import nats.js.errors

from alterd_contracts.errors import AlterdError, BusUnreachable

WRONG_LAST_SEQUENCE = (10071, 10164)
"""Error codes of nats-server for a refused expected sequence (of the subject, of the stream)."""


class StaleWrite(AlterdError):
    """Somebody else wrote since."""

    code = "stale_write"
    retryable = True


class LeaseLost(StaleWrite):
    """Another holder has the lease."""

    code = "lease_lost"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns nats-py's errors into alterd's; `what` names the attempted action."""
    try:
        yield
    except nats.js.errors.APIError as error:
        if error.err_code in WRONG_LAST_SEQUENCE:
            raise StaleWrite(f"{what}: {error.description}") from error
        raise BusUnreachable(f"{what}: {error.description or error}") from error
    except nats.errors.Error as error:
        raise BusUnreachable(f"{what}: {type(error).__name__} {error}".rstrip()) from error

"""A lease: who is alive. It fences nothing; every write that matters is fenced where it lands."""

from __future__ import annotations

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext, api

from alterd_contracts.subjects import LEASES
from alterd_runtime.bus.errors import WRONG_LAST_SEQUENCE, LeaseLost, StaleWrite, translated
from alterd_runtime.bus.interruptible import interruptible


class Lease:
    """A key that its holder renews before its TTL (whole seconds) ends."""

    def __init__(self, js: JetStreamContext, key: str, holder: bytes, ttl: int) -> None:
        self._js, self._holder, self.ttl = js, holder, ttl
        self._stream, self._subject = f"KV_{LEASES.name}", f"$KV.{LEASES.name}.{key}"
        self.revision = 0

    async def acquire(self) -> bool:
        """Takes the lease if nobody holds it. Raises `BusUnreachable`."""
        with translated(f"take the lease {self._subject}"):
            try:
                last = await interruptible(self._js.get_last_msg(self._stream, self._subject))
            except nats.js.errors.NotFoundError:
                expected = 0
            else:
                if last.data and last.data != self._holder:  # end markers have an empty body
                    return False
                expected = last.seq or 0
            try:
                self.revision = await self._put(expected)
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE:
                    return False
                raise
        return True

    async def renew(self) -> None:
        """Keeps the lease. Raises `LeaseLost`, `BusUnreachable`."""
        try:
            with translated(f"renew the lease {self._subject}"):
                self.revision = await self._put(self.revision)
        except StaleWrite as error:
            raise LeaseLost(error.message) from error

    async def release(self) -> None:
        """Gives the lease up, so that the next holder need not wait. Raises `BusUnreachable`, `StaleWrite`."""
        headers = {
            "KV-Operation": "DEL",
            api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(self.revision),
        }
        with translated(f"release the lease {self._subject}"):
            await interruptible(self._js.publish(self._subject, b"", headers=headers, msg_ttl=self.ttl))

    async def _put(self, expected: int) -> int:
        headers = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(expected)}
        ack = await interruptible(self._js.publish(self._subject, self._holder, headers=headers, msg_ttl=self.ttl))
        return int(ack.seq)

"""CloudEvents 1.0 in structured JSON: what every message on the wire is wrapped in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec

CONTENT_TYPE = "application/cloudevents+json"

Data = TypeVar("Data")


class Envelope(msgspec.Struct, Generic[Data], frozen=True, kw_only=True, omit_defaults=True):
    """A CloudEvent; `type` repeats the tag of `data`."""

    specversion: str
    id: str
    source: str
    """``/alterd/<service>/<instance>``."""
    type: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    subject: str = ""
    datacontenttype: str = "application/json"
    data: Data


_encoder = msgspec.json.Encoder(order="deterministic")


def tag(data: msgspec.Struct) -> str:
    """The type of a message: the tag of its struct."""
    return str(data.__struct_config__.tag)


def wrap(data: msgspec.Struct, *, id: str, source: str, subject: str = "", time: datetime | None = None) -> bytes:
    """`data` as the bytes of a CloudEvent."""
    return _encoder.encode(
        Envelope(
            specversion="1.0",
            id=id,
            source=source,
            type=tag(data),
            time=time or datetime.now(UTC),
            subject=subject,
            datacontenttype="application/json",
            data=data,
        )
    )


class Reader(Generic[Data]):
    """Decodes envelopes whose data is one of the given types; built once, used often.

    >>> Reader(Input).read(payload)     # doctest: +SKIP

    Raises msgspec.DecodeError (ValidationError among them) with the JSON path of what is wrong.
    """

    def __init__(self, of: Any) -> None:
        self._decoder = msgspec.json.Decoder(Envelope[of])

    def envelope(self, payload: bytes) -> Envelope[Data]:
        envelope: Envelope[Data] = self._decoder.decode(payload)
        if envelope.specversion != "1.0":
            raise msgspec.ValidationError(f"specversion {envelope.specversion!r} is not 1.0 - at `$.specversion`")
        return envelope

    def read(self, payload: bytes) -> Data:
        return self.envelope(payload).data

"""Names: what may stand in a subject, a key, a record, and how artifacts are called.

Patterns of uuid and context follow Vitess (reference: ``ApplySchema --uuid`` and ``--migration-context``).
"""

from __future__ import annotations

import re
import uuid as uuids
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from alterd_contracts.errors import InvalidName

KEYSPACE = re.compile(r"[a-z0-9_-]{1,64}")
SHARD = re.compile(r"[A-Za-z0-9_-]{1,64}")
STRATEGY = re.compile(r"[a-z][a-z0-9_-]{0,31}")
UUID = re.compile(r"[0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12}")
CONTEXT = re.compile(r"[\w:-]{0,1024}")
REQUEST = re.compile(r"[A-Za-z0-9_-]{1,64}")
ARTIFACT = re.compile(r"_alterd_(shd|old|hld|snt)_([0-9a-f]{32})_([0-9]{12})")
TOOL_ARTIFACT = re.compile(r"_alterd_([0-9a-f]{32})_([0-9]{12})_([a-z]{3})")
ENDING = re.compile(r"[a-z]{3}")

SIDECAR_SCHEMA = "_alterd"
SCRATCH_PREFIX = "_alterd_scratch_"
"""Schemas in which statements are tried on empty copies."""


class ArtifactKind(StrEnum):
    """What an artifact is; the value is the word in its name."""

    SHADOW = "shd"
    OLD = "old"
    HELD = "hld"
    SENTRY = "snt"
    TOOL = "tul"
    """A table of a tool that makes its names itself, from a beginning that it is given: the tool's ending tells them
    apart, and stands at the end of the name."""


ARTIFACT_LENGTH = 57
"""Characters of an artifact's name."""


class Artifact(msgspec.Struct, frozen=True):
    """The parts of an artifact's name: ``_alterd_old_9e8a9249397611ed94420a43f95f28a3_261121040506``, or, of a tool's
    table, ``_alterd_9e8a9249397611ed94420a43f95f28a3_261121040506_gho``.

    57 characters, so that MySQL can name a renamed table's CHECKs after it: ``…_chk_1``, within 64.
    """

    kind: ArtifactKind
    migration_uuid: str
    created: datetime
    """UTC, of the MySQL server's clock, whole seconds."""
    ending: str = ""
    """Three letters, of a tool's table; empty for all others."""

    @property
    def name(self) -> str:
        digits, stamp = self.migration_uuid.replace("_", ""), f"{self.created:%y%m%d%H%M%S}"
        if self.kind is ArtifactKind.TOOL:
            return f"_alterd_{digits}_{stamp}_{self.ending}"
        return f"_alterd_{self.kind}_{digits}_{stamp}"

    @classmethod
    def parse(cls, name: str) -> Artifact | None:
        """The artifact that `name` stands for, None where it is an ordinary table's."""
        if match := ARTIFACT.fullmatch(name):
            kind, digits, stamp = match.groups()
            ending = ""
        elif match := TOOL_ARTIFACT.fullmatch(name):
            digits, stamp, ending = match.groups()
            kind = ArtifactKind.TOOL
        else:
            return None
        try:
            created = datetime.strptime(stamp, "%y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(ArtifactKind(kind), underscored(digits), created, ending)


def underscored(digits: str) -> str:
    """``9e8a9249397611ed94420a43f95f28a3`` as a migration uuid."""
    return str(uuids.UUID(digits)).replace("-", "_")


def new_request_id() -> str:
    """A fresh request id."""
    return uuids.uuid4().hex


def migration_uuid(request_id: str, number: int) -> str:
    """The uuid of statement `number` (from 0) of a request: the same for every delivery of that request."""
    return underscored(uuids.uuid5(uuids.NAMESPACE_OID, f"alterd:{request_id}:{number}").hex)


def check(pattern: re.Pattern[str], value: str, what: str, hint: str = "") -> str:
    """`value` if the whole of it matches, else InvalidName that names it."""
    if not pattern.fullmatch(value):
        shown = value if len(value) <= 80 else value[:77] + "..."  # a name, never a secret
        raise InvalidName(
            f"{what} {shown!r} is malformed", hint=hint or f"must match {pattern.pattern}", **{what: shown}
        )
    return value


def check_keyspace(value: str) -> str:
    return check(KEYSPACE, value, "keyspace")


def check_shard(value: str) -> str:
    return check(SHARD, value, "shard")


def check_uuid(value: str) -> str:
    return check(UUID, value, "uuid", "eight, four, four, four and twelve hexadecimal digits joined by underscores")


def check_ending(value: str) -> str:
    return check(ENDING, value, "ending", "three small letters")


def check_context(value: str) -> str:
    return check(CONTEXT, value, "context")


def check_request(value: str) -> str:
    return check(REQUEST, value, "request")

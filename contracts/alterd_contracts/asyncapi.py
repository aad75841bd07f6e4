"""The AsyncAPI document of all that crosses a process border: `docs/reference/asyncapi.json`, made of these contracts.

AsyncAPI 3.0: channels (addresses with parameters), operations (which part sends or receives there), messages. Streams
and buckets stand under ``x-jetstream``, as NATS has no binding for them. Of a bucket's values no CloudEvent is made.

``ALTERD_UPDATE_GOLDEN=1 pytest tests/contract`` writes the file anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from inspect import cleandoc
from typing import Any, Final, get_args

import msgspec

from alterd_contracts import inputs, names, requests, subjects, work
from alterd_contracts.envelope import CONTENT_TYPE, Envelope
from alterd_contracts.events import Event, Fact
from alterd_contracts.migration import Hold, Migration
from alterd_contracts.topology import Keyspace

SCHEMAS: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"
_PARAMETER: Final = re.compile(r"{(\w+)}")


class Part(StrEnum):
    """Who sends and who receives."""

    CALLER = "caller"
    """The command line, or any program of a user's."""
    INTAKE = "intake"
    SCHEDULER = "scheduler"
    EXECUTOR = "executor"
    THROTTLER = "throttler"
    CONSUMER = "consumer"
    """Audit, alert, and any reader of a user's."""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """An address and what goes over it."""

    name: str
    address: str
    summary: str
    carries: Any
    """A struct, or a union of structs."""
    senders: tuple[Part, ...]
    receivers: tuple[Part, ...]
    reply: Any = None
    queue: str = ""
    """One of the receivers gets it."""
    bucket: subjects.Bucket | None = None
    """The address is a key of it, and the message the value alone."""

    @property
    def stream(self) -> subjects.Stream | None:
        """The stream that stores it."""
        found = (each for each in subjects.STREAMS if any(_covers(pattern, self.address) for pattern in each.subjects))
        return next(found, None)


PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "keyspace": {"description": f"A keyspace's name: `{names.KEYSPACE.pattern}`."},
    "shard": {
        "description": f"A shard's name: `{names.SHARD.pattern}`; `{subjects.EVERYWHERE}`: no single one.",
    },
    "strategy": {"description": f"A strategy's name: `{names.STRATEGY.pattern}`."},
    "migration_uuid": {"description": f"A migration's uuid: `{names.UUID.pattern}`."},
    "entity": {"description": f"A migration's uuid, a request's id, or `{subjects.EVERYWHERE}`."},
    "fact": {"description": "What happened.", "enum": list(Fact)},
    "stream": {
        "description": "The stream of what could not be read.",
        "enum": [each.name for each in subjects.STREAMS],
    },
    "executor": {"description": "An executor's name."},
    "app": {"description": f"A migration's uuid, or `{requests.ONLINE_DDL}` for all."},
    "status": {"description": "Whether the migration is pending.", "enum": ["open", "done"]},
}
"""What the tokens of addresses stand for."""

_UUID: Final = "{migration_uuid}"
_SHARD: Final = ("{keyspace}", "{shard}")

CHANNELS: Final = (
    Channel(
        name="submit",
        address=subjects.SUBMIT,
        summary="A script of schema changes, answered once it is checked and recorded.",
        carries=requests.DdlRequest,
        reply=requests.Accepted | requests.Refusal,
        senders=(Part.CALLER,),
        receivers=(Part.INTAKE,),
        queue="intake",
    ),
    Channel(
        name="request",
        address=subjects.request("{keyspace}"),
        summary="The same, for callers that do not wait; once the intake is back, if it is away.",
        carries=requests.DdlRequest,
        reply=requests.Accepted | requests.Refusal,
        senders=(Part.CALLER,),
        receivers=(Part.INTAKE,),
    ),
    Channel(
        name="check",
        address=subjects.check("{strategy}"),
        summary="A script is tried in order on empty copies.",
        carries=requests.CheckRequest,
        reply=requests.CheckReply,
        senders=(Part.INTAKE,),
        receivers=(Part.EXECUTOR,),
        queue="executor",
    ),
    Channel(
        name="plan",
        address=subjects.plan("{strategy}"),
        summary="What a strategy would do with a script.",
        carries=requests.CheckRequest,
        reply=requests.PlanReply,
        senders=(Part.CALLER,),
        receivers=(Part.EXECUTOR,),
        queue="executor",
    ),
    Channel(
        name="submission",
        address=subjects.submission("{keyspace}"),
        summary="What the intake accepted or refused.",
        carries=inputs.Submission | inputs.RefusedRequest,
        reply=requests.Accepted | requests.Refusal,
        senders=(Part.INTAKE,),
        receivers=(Part.SCHEDULER,),
    ),
    Channel(
        name="control",
        address=subjects.control("{keyspace}"),
        summary="A user's command to a migration, to many, or to a keyspace.",
        carries=inputs.Control | inputs.RuleChanged,
        reply=requests.Answered | requests.Refusal,
        senders=(Part.CALLER, Part.THROTTLER),
        receivers=(Part.SCHEDULER,),
    ),
    Channel(
        name="report",
        address=subjects.report("{keyspace}"),
        summary="What an executor says of an attempt.",
        carries=inputs.AttemptReport | inputs.Collected,
        senders=(Part.EXECUTOR,),
        receivers=(Part.SCHEDULER,),
    ),
    Channel(
        name="work",
        address=subjects.work("{strategy}", *_SHARD),
        summary="An attempt that waits for an executor.",
        carries=work.Work,
        senders=(Part.SCHEDULER,),
        receivers=(Part.EXECUTOR,),
    ),
    Channel(
        name="event",
        address=subjects.event(*_SHARD, "{entity}", "{fact}"),
        summary="What happened, once each.",
        carries=Event,
        senders=(Part.SCHEDULER,),
        receivers=(Part.CONSUMER, Part.CALLER),
    ),
    Channel(
        name="log",
        address=subjects.log(*_SHARD, _UUID),
        summary="The log of a migration's attempts.",
        carries=work.LogLine,
        senders=(Part.EXECUTOR,),
        receivers=(Part.CALLER,),
    ),
    Channel(
        name="throttleCheck",
        address=subjects.THROTTLE_CHECK,
        summary="May an app write to a shard now?",
        carries=requests.ThrottleCheck,
        reply=requests.Verdict,
        senders=(Part.EXECUTOR, Part.CALLER),
        receivers=(Part.THROTTLER,),
    ),
    Channel(
        name="throttleRule",
        address=subjects.THROTTLE_RULE,
        summary="A user throttles a migration, or all; and no longer.",
        carries=inputs.Control,
        reply=requests.Answered | requests.Refusal,
        senders=(Part.CALLER,),
        receivers=(Part.THROTTLER,),
        queue="rules",
    ),
    Channel(
        name="verdict",
        address=subjects.throttle(*_SHARD),
        summary="Go or wait, for all that asked of a shard lately.",
        carries=requests.Verdict,
        senders=(Part.THROTTLER,),
        receivers=(Part.EXECUTOR,),
    ),
    Channel(
        name="dead",
        address=subjects.dead("{stream}"),
        summary="What could not be read, with the reason.",
        carries=work.DeadLetter,
        senders=(Part.INTAKE, Part.SCHEDULER, Part.EXECUTOR, Part.CONSUMER),
        receivers=(Part.CALLER,),
    ),
    Channel(
        name="record",
        address=f"{{status}}.{'.'.join(_SHARD)}.{_UUID}",
        summary="The record of a shard migration: the truth about it.",
        carries=Migration,
        senders=(Part.SCHEDULER,),
        receivers=(Part.CALLER, Part.EXECUTOR),
        bucket=subjects.STATE,
    ),
    Channel(
        name="hold",
        address=subjects.hold_key(*_SHARD),
        summary="A keyspace or shard on which nothing may begin.",
        carries=Hold,
        senders=(Part.SCHEDULER,),
        receivers=(Part.CALLER,),
        bucket=subjects.STATE,
    ),
    Channel(
        name="progress",
        address=subjects.progress_key(*_SHARD, _UUID),
        summary="How a running attempt comes along.",
        carries=work.Progress,
        senders=(Part.EXECUTOR,),
        receivers=(Part.CALLER, Part.CONSUMER),
        bucket=subjects.PROGRESS,
    ),
    Channel(
        name="executors",
        address="{executor}",
        summary="An executor's lease, and what it offers.",
        carries=work.ExecutorInfo,
        senders=(Part.EXECUTOR,),
        receivers=(Part.INTAKE, Part.SCHEDULER, Part.CALLER),
        bucket=subjects.EXECUTORS,
    ),
    Channel(
        name="topology",
        address="{keyspace}",
        summary="A keyspace: its shards, their servers, how they are reached. Never a password.",
        carries=Keyspace,
        senders=(Part.CALLER,),
        receivers=(Part.INTAKE, Part.EXECUTOR, Part.THROTTLER),
        bucket=subjects.TOPOLOGY,
    ),
    Channel(
        name="throttleRules",
        address=subjects.rule_key(*_SHARD, "{app}"),
        summary="What users throttle, until it expires.",
        carries=requests.ThrottleRule,
        senders=(Part.THROTTLER,),
        receivers=(Part.THROTTLER,),
        bucket=subjects.THROTTLE_RULES,
    ),
)
"""All of them. What only the scheduler reads again (its epoch, cursor and indexes) is nobody else's."""


def document(version: str) -> dict[str, Any]:
    """The whole document. `version`: alterd's."""
    carried = _unique([kind for each in CHANNELS for kind in (*_kinds(each.carries), *_kinds(each.reply))])
    bare = {kind for each in CHANNELS if each.bucket for kind in _kinds(each.carries)}
    _, schemas = msgspec.json.schema_components(carried, ref_template=SCHEMAS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "alterd",
            "version": version,
            "description": "Managed online schema changes for MySQL: what its parts and its callers say to each other.",
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"nats": {"host": "localhost:4222", "protocol": "nats"}},
        "channels": dict(pair for each in CHANNELS for pair in _channels(each)),
        "operations": dict(pair for each in CHANNELS for pair in _operations(each)),
        "components": {
            "messages": {kind.__name__: _message(kind, bare=kind in bare) for kind in carried},
            "parameters": PARAMETERS,
            "schemas": schemas,
        },
    }


def _channels(channel: Channel) -> list[tuple[str, dict[str, Any]]]:
    address = f"$KV.{channel.bucket.name}.{channel.address}" if channel.bucket else channel.address
    described: dict[str, Any] = {
        "address": address,
        "summary": channel.summary,
        "messages": {kind.__name__: _ref("messages", kind.__name__) for kind in _kinds(channel.carries)},
    }
    if found := _PARAMETER.findall(address):
        described["parameters"] = {name: _ref("parameters", name) for name in found}
    if channel.bucket:
        described["x-jetstream"] = {"bucket": channel.bucket.name}
    elif stream := channel.stream:
        described["x-jetstream"] = {"stream": stream.name, "retention": stream.retention, "max_age": stream.max_age}
    pairs = [(channel.name, described)]
    if channel.reply:
        messages = {kind.__name__: _ref("messages", kind.__name__) for kind in _kinds(channel.reply)}
        pairs.append((f"{channel.name}Reply", {"address": None, "messages": messages}))
    return pairs


def _operations(channel: Channel) -> list[tuple[str, dict[str, Any]]]:
    pairs = []
    for action, parts in (("send", channel.senders), ("receive", channel.receivers)):
        for part in parts:
            described: dict[str, Any] = {"action": action, "channel": {"$ref": f"#/channels/{channel.name}"}}
            if channel.reply:
                described["reply"] = {"channel": {"$ref": f"#/channels/{channel.name}Reply"}}
                if channel.stream:  # else to the inbox that NATS names with the question
                    described["reply"]["address"] = {"location": f"$message.header#/{subjects.REPLY_TO}"}
            if channel.queue and action == "receive":
                described["bindings"] = {"nats": {"queue": channel.queue}}
            pairs.append((f"{part}.{action}.{channel.name}", described))
    return pairs


def _message(kind: type[msgspec.Struct], *, bare: bool) -> dict[str, Any]:
    tag = kind.__struct_config__.tag
    return {
        "name": str(tag or kind.__name__),
        "title": kind.__name__,
        "summary": cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
        "contentType": JSON if bare else CONTENT_TYPE,
        "payload": {"$ref": SCHEMAS.format(name=kind.__name__)} if bare else _event_of(kind),
    }


def _event_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of a CloudEvent with such data."""
    (_,), components = msgspec.json.schema_components([Envelope[Any]], ref_template=SCHEMAS)
    [schema] = components.values()
    own = {
        **schema["properties"],
        "specversion": {"const": "1.0"},
        "type": {"const": kind.__struct_config__.tag},
        "data": {"$ref": SCHEMAS.format(name=kind.__name__)},
    }
    return {"type": "object", "properties": own, "required": schema["required"]}


def _kinds(union: Any) -> tuple[type[msgspec.Struct], ...]:
    return () if union is None else get_args(union) or (union,)


def _unique(kinds: Sequence[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    return list(dict.fromkeys(kinds))


def _ref(of: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{of}/{name}"}


def _covers(pattern: str, address: str) -> bool:
    wanted, given = pattern.split("."), address.split(".")
    return len(wanted) == len(given) and all(one in ("*", other) for one, other in zip(wanted, given, strict=True))

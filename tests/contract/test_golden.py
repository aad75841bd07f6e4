"""Every message has a golden file: what was written once must be readable for ever.

``ALTERD_UPDATE_GOLDEN=1 pytest tests/contract`` writes the files anew; the diff shows what readers will meet.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

from alterd_contracts import envelope, events, inputs, requests, work
from tests.contract.samples import MESSAGES, STORED, TIME

GOLDEN = Path(__file__).parent / "golden"


def file_of(sample: msgspec.Struct) -> Path:
    return GOLDEN / f"{type(sample).__name__}.json"


def written(sample: msgspec.Struct) -> bytes:
    if sample in MESSAGES:
        payload = envelope.wrap(sample, id="the-id", source="/alterd/test/one", subject="about", time=TIME)
    else:
        payload = msgspec.json.encode(sample)
    return msgspec.json.format(payload) + b"\n"


@pytest.mark.parametrize("sample", [*MESSAGES, *STORED], ids=lambda sample: type(sample).__name__)
def test_a_message_is_written_as_in_its_golden_file(sample: msgspec.Struct) -> None:
    if os.environ.get("ALTERD_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file_of(sample).write_bytes(written(sample))
    assert file_of(sample).read_bytes() == written(sample)


@pytest.mark.parametrize("sample", MESSAGES, ids=lambda sample: type(sample).__name__)
def test_a_golden_message_is_read_back(sample: msgspec.Struct) -> None:
    reader: envelope.Reader[msgspec.Struct] = envelope.Reader(type(sample))
    assert reader.read(file_of(sample).read_bytes()) == sample


@pytest.mark.parametrize("sample", STORED, ids=lambda sample: type(sample).__name__)
def test_a_golden_value_is_read_back(sample: msgspec.Struct) -> None:
    assert msgspec.json.decode(file_of(sample).read_bytes(), type=type(sample)) == sample


@pytest.mark.parametrize("sample", MESSAGES, ids=lambda sample: type(sample).__name__)
def test_a_message_is_a_cloudevent_and_skips_fields_it_does_not_know(sample: msgspec.Struct) -> None:
    event = msgspec.json.decode(written(sample))
    assert {"specversion", "id", "source", "type"} <= event.keys()
    assert all(re.fullmatch("[a-z0-9]+", name) for name in event)
    assert event["type"] == event["data"]["type"]
    assert re.fullmatch(r"alterd(\.[a-z_]+)+\.v[0-9]+", event["type"])
    event["data"]["added_by_a_later_release"] = 1
    reader: envelope.Reader[msgspec.Struct] = envelope.Reader(type(sample))
    assert reader.read(msgspec.json.encode(event)) == sample


def test_every_tagged_struct_has_a_sample() -> None:
    tagged = {
        kind
        for module in (requests, inputs, events, work)
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind.__struct_config__.tag is not None
        and kind.__module__.startswith("alterd_contracts")
    }
    assert tagged == {type(sample) for sample in MESSAGES}


def test_tags_are_never_used_twice() -> None:
    tags = [envelope.tag(sample) for sample in MESSAGES]
    assert len(tags) == len(set(tags))


def test_what_cannot_be_read_names_the_place() -> None:
    reader: envelope.Reader[inputs.Started] = envelope.Reader(inputs.Started)
    broken = written(MESSAGES[-1]).replace(b"the-id", b"x")
    with pytest.raises(msgspec.ValidationError, match=r"\$\.data\.type"):
        reader.read(broken)
    started = next(sample for sample in MESSAGES if isinstance(sample, inputs.Started))
    with pytest.raises(msgspec.ValidationError, match="specversion"):
        reader.read(written(started).replace(b'"1.0"', b'"2.0"'))

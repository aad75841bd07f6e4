"""The AsyncAPI document says what is sent.

``ALTERD_UPDATE_GOLDEN=1 pytest tests/contract`` writes it anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import alterd_contracts
from alterd_contracts import subjects
from alterd_contracts.asyncapi import CHANNELS, PARAMETERS, document
from alterd_contracts.envelope import CONTENT_TYPE
from tests.contract.samples import MESSAGES, STORED
from tests.contract.test_golden import file_of

FILE = Path(__file__).parents[2] / "docs/reference/asyncapi.json"
OWN = {"Cursor", "Epoch"}
"""What only the scheduler reads."""
DESCRIBED = [sample for sample in (*MESSAGES, *STORED) if type(sample).__name__ not in OWN]


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.json.decode(FILE.read_bytes())
    return whole


def check(described: dict[str, Any], name: str, value: Any) -> None:
    """Raises where the value is not as the document says of such a message."""
    payload = described["components"]["messages"][name]["payload"]
    jsonschema.Draft202012Validator({**payload, "components": described["components"]}).validate(value)


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from refs(value)
    elif isinstance(node, list):
        for each in node:
            yield from refs(each)


def test_the_document_is_made_of_the_contracts() -> None:
    made = msgspec.json.format(msgspec.json.encode(document(alterd_contracts.__version__), order="deterministic"))
    if os.environ.get("ALTERD_UPDATE_GOLDEN"):
        FILE.write_bytes(made + b"\n")
    assert FILE.read_bytes() == made + b"\n"


def test_what_it_refers_to_is_in_it(described: dict[str, Any]) -> None:
    for ref in refs(described):
        place: Any = described
        for name in ref.removeprefix("#/").split("/"):
            assert name in place, ref
            place = place[name]
    used = {name for each in described["channels"].values() for name in each.get("parameters", {})}
    assert used == PARAMETERS.keys()


def test_every_message_and_every_subject_is_in_it(described: dict[str, Any]) -> None:
    assert {type(sample).__name__ for sample in DESCRIBED} <= described["components"]["messages"].keys()
    stored = {each.stream.name for each in CHANNELS if each.stream and not each.bucket}
    assert stored == {each.name for each in subjects.STREAMS}
    buckets = {each.bucket.name for each in CHANNELS if each.bucket}
    assert buckets == {each.name for each in subjects.BUCKETS if each is not subjects.LEASES}


@pytest.mark.parametrize("sample", DESCRIBED, ids=lambda sample: type(sample).__name__)
def test_what_is_sent_is_as_it_says(described: dict[str, Any], sample: msgspec.Struct) -> None:
    name = type(sample).__name__
    value = msgspec.json.decode(file_of(sample).read_bytes())
    fields = value.get("data", value)
    wrapped = described["components"]["messages"][name]["contentType"] == CONTENT_TYPE
    check(described, name, value if wrapped else fields)
    for field in fields.keys() & set(type(sample).__struct_fields__):
        wrong = {**fields, field: [["no such value"]]}
        with pytest.raises(jsonschema.ValidationError):
            check(described, name, {**value, "data": wrong} if wrapped else wrong)

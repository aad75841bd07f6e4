"""The error tree: stable codes, words for people, the way over the wire and back."""

from __future__ import annotations

import re

import pytest

from alterd_contracts.errors import AlterdError, ErrorInfo, UnknownKeyspace, by_code

CODES = sorted(by_code().items())


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_an_error_has_a_code_a_sentence_and_an_exit_code(code: str, kind: type[AlterdError]) -> None:
    assert re.fullmatch("[a-z][a-z_]+", code)
    assert kind.__doc__, code
    assert kind.__doc__.strip().endswith(".")
    assert kind.exit_code in range(1, 7)


@pytest.mark.parametrize("kind", [kind for _, kind in CODES])
def test_an_error_comes_back_from_the_wire(kind: type[AlterdError]) -> None:
    error = kind("what happened", hint="do this", table="demo")
    back = AlterdError.of(error.info())
    assert type(back) is kind
    assert (back.message, back.hint, back.where) == ("what happened", "do this", {"table": "demo"})


def test_codes_are_unique() -> None:
    def all_kinds(kind: type[AlterdError]) -> list[type[AlterdError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in all_kinds(child))]

    kinds = [kind for kind in all_kinds(AlterdError) if "code" in vars(kind)]
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))


def test_an_unknown_code_keeps_its_words() -> None:
    back = AlterdError.of(ErrorInfo(code="from_the_future", message="odd"))
    assert back.message == "odd"


def test_the_default_message_is_the_docstring() -> None:
    assert UnknownKeyspace().message == "There is no such keyspace."

"""What a run leaves behind, on the server, on the host and in texts. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from alterd_contracts.testing.observed import Ran


def artifacts(ran: Ran) -> list[str]:
    """Tables that were there before they were written down."""
    found: dict[str, str] = {}
    for step in ran.steps:
        for name in step.undeclared:
            where = f"{step.within}, at {step.call} {step.name}".rstrip()
            found.setdefault(name, f"the table {name} is there, and nobody has declared it ({where})")
    return list(found.values())


def leaves_nothing(ran: Ran) -> list[str]:
    """What is left that nobody knows of."""
    found = []
    for what in ran.left.__struct_fields__:
        names = getattr(ran.left, what)
        if names:
            found.append(f"{what} are left: {', '.join(names)}")
    return found


def secrets(ran: Ran) -> list[str]:
    """Where a password is to be seen."""
    places: dict[str, Iterable[str]] = {
        "the arguments of a program": (word for step in ran.steps for word in step.argv),
        "the command line of a process": ran.command_lines,
        "the log": (*ran.log, *(step.said for step in ran.steps if step.call == "log")),
        "how far it says to be": (step.said for step in ran.steps if step.call == "progress"),
        "a message": (
            *ran.told,
            *(step.said for step in ran.steps if step.call not in {"log", "progress"}),
            *(msgspec.json.encode(each.ending.error).decode() for each in ran.attempts if each.ending),
            *(each.ending.message for each in ran.attempts if each.ending),
        ),
    }
    known = [secret for secret in ran.secrets if secret]
    return [
        f"a password is in {place}"
        for place, texts in places.items()
        if any(secret in text for text in texts for secret in known)
    ]

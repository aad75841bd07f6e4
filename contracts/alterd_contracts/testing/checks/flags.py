"""What became of users' flags. Pure."""

from __future__ import annotations

from alterd_contracts.testing.observed import Ran


def flags(ran: Ran) -> list[str]:
    """Reserved ones are refused by name, passed ones are one argument each."""
    found = []
    for name, words in ran.refused:
        if not words:
            found.append(f"the reserved flag --{name} is not refused")
        elif f"--{name}" not in words:
            found.append(f"the refusal of --{name} does not name it: {words}")
    calls = [step.argv for step in ran.steps if step.call == "subprocess" and step.argv]
    for argument in ran.passed:
        name = argument.partition("=")[0]
        own = [argv for argv in calls if any(word == name or word.startswith(f"{name}=") for word in argv)]
        if not own:
            found.append(f"{name} reaches no program, though unknown flags are passed on")
        elif not all(argument in argv for argv in own):
            found.append(f"{name} does not reach the program as one argument")
    return found

"""The line editor of the shell: prompt_toolkit, with a history in a file and words completed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

from alterd_cli.sql.completion import Known, completions
from alterd_cli.sql.script import ended

CONTINUED: Final = "-> "
COMMANDS: Final = frozenset({"exit", "quit", "\\q", "help", "?", "\\h", "\\?"})
"""Words that need no semicolon."""


def may_run(text: str) -> bool:
    """Whether Enter carries `text` out; else it begins a new line."""
    bare = text.strip().lower()
    return not bare or bare in COMMANDS or (bare.startswith("use ") and "\n" not in bare) or ended(text)


class Words(Completer):
    """What `completions` knows, for prompt_toolkit."""

    def __init__(self, known: Callable[[], Known]) -> None:
        self._known = known

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        begun, words = completions(document.text_before_cursor, self._known())
        for word in words:
            yield Completion(word, start_position=-len(begun))


def prompt_session(
    history: Path, known: Callable[[], Known], *, keys: Input | None = None, screen: Output | None = None
) -> PromptSession[str]:
    """`history` is made for its owner alone. `keys` and `screen` stand for the terminal."""
    history.parent.mkdir(parents=True, exist_ok=True)
    history.touch(mode=0o600)
    return PromptSession(
        history=FileHistory(history),
        completer=Words(known),
        complete_while_typing=False,
        multiline=True,
        prompt_continuation=lambda width, _line, _wrapped: CONTINUED.rjust(width),
        key_bindings=_bindings(),
        input=keys,
        output=screen,
    )


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter", filter=has_focus("DEFAULT_BUFFER"))
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None  # takes what the menu offers
        elif may_run(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return bindings

"""What a strategy says of itself: all that scheduler and intake know about it."""

from __future__ import annotations

import msgspec

from alterd_contracts.flags import FlagDeclaration
from alterd_contracts.statement import StatementKind


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a run."""

    name: str
    exclusive: bool = False
    """Only one migration of a shard may be in an exclusive phase."""


class KindDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of statement is carried out."""

    kind: StatementKind
    phases: tuple[Phase, ...]
    """In order."""
    concurrent: bool = False
    """Eligible for --allow-concurrent."""
    postpone_completion: bool = False
    """Takes --postpone-completion, and commands that hold its completion back; they are refused otherwise."""
    in_order_completion: bool = False
    """Takes --in-order-completion; refused with it otherwise."""
    immediate: bool = False
    """Its completion is all there is of it: while that is held back or not its turn, the run is not begun."""
    cuts_over: bool = True
    """It ends with a cut-over, which may be forced and has a threshold; what MySQL or a tool does alone has none."""
    revertible: bool = False
    rebuilds: bool = False
    """The ALTER is made on an empty table, so what MySQL cannot do to a full one in place is no matter."""
    runner: str = ""
    """The strategy that runs it, empty for itself. Managed strategies name ``statement`` for CREATE and DROP."""

    @property
    def exclusive_phases(self) -> tuple[str, ...]:
        """Names of those that need the shard's one exclusive place."""
        return tuple(phase.name for phase in self.phases if phase.exclusive)

    @property
    def tail_phases(self) -> tuple[str, ...]:
        """Names of those after the last exclusive one: who is there has left the exclusive place."""
        last = max((place for place, phase in enumerate(self.phases) if phase.exclusive), default=-1)
        return tuple(phase.name for phase in self.phases[last + 1 :])


def all_but_alter() -> tuple[KindDeclaration, ...]:
    """How managed strategies carry out what is no ALTER TABLE: by the common runner ``statement``, alike in all."""
    return tuple(
        KindDeclaration(
            kind=kind,
            phases=(Phase(name="running"),),
            concurrent=True,
            postpone_completion=True,
            in_order_completion=True,
            immediate=True,
            cuts_over=False,
            runner="statement",
        )
        for kind in StatementKind
        if kind is not StatementKind.ALTER_TABLE
    )


class ToolDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """A program that a strategy runs."""

    name: str
    path: str = ""
    """The one that is taken on this host; empty where there is none."""
    mend: str = ""
    """How to get one, for people."""


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's declaration."""

    strategy: str
    version: str
    kinds: tuple[KindDeclaration, ...]
    aliases: tuple[str, ...] = ()
    resumable: bool = False
    """A dead attempt's work is taken up where it stood."""
    throttleable: bool = False
    waits: bool = False
    """A caller waits for the result unless told otherwise."""
    flags: tuple[FlagDeclaration, ...] = ()
    reserved_flags: tuple[str, ...] = ()
    """Flags of the tool that alterd sets itself; refused by name."""
    passes_unknown_flags: bool = False
    tools: tuple[ToolDeclaration, ...] = ()
    """Without one of them no change can be carried out; which version it must have is for `check` to say."""
    hidden: bool = False
    """Only named as another strategy's runner; users cannot choose it."""

    def kind(self, kind: StatementKind) -> KindDeclaration | None:
        """How `kind` is carried out; None where the strategy does not do that."""
        return next((declared for declared in self.kinds if declared.kind == kind), None)

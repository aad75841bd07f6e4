"""What one writer does next: seeded, and only on keys and unique values that are its own. Pure."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from alterd_cli.demo.draft import Draft, Operation
from alterd_cli.demo.ledger import Changes, Ledger, Settled
from alterd_cli.demo.place import Place
from alterd_cli.demo.table import Row, row

FIRST_FRESH_BADGE = 2_000_000_000
"""Writers take badge numbers from here on; those of the filled table lie far below."""
RECENT = 64
"""Keys that were written to last and are soon written to again."""
SPARE = 200
"""Unique values of deleted rows that are kept to be used again."""
UPDATED = ("given_name", "family_name", "balance", "joined", "seen", "tier", "settings", "note", "token")


class Keys:
    """A set of keys of which any can be picked at random."""

    def __init__(self, keys: Iterable[int] = ()) -> None:
        self._list = list(keys)
        self._places = {key: place for place, key in enumerate(self._list)}

    def __len__(self) -> int:
        return len(self._list)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def add(self, key: int) -> None:
        if key not in self._places:
            self._places[key] = len(self._list)
            self._list.append(key)

    def discard(self, key: int) -> None:
        place = self._places.pop(key, None)
        if place is None:
            return
        last = self._list.pop()
        if last != key:
            self._list[place], self._places[last] = last, place

    def pick(self, dice: random.Random) -> int:
        return dice.choice(self._list)


class Mix:
    """The operations of `owner`, one of `owners`: they write keys with ``key % owners == owner`` alone."""

    def __init__(self, ledger: Ledger, place: Place, owner: int, owners: int) -> None:
        self.ledger = ledger
        self._place, self._owner, self._owners = place, owner, owners
        self._dice = random.Random(f"{ledger.seed}:{owner}")
        self._live = Keys(range(owner or owners, ledger.rows + 1, owners))
        self._freed = Keys()
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._spare_emails: deque[str] = deque(maxlen=SPARE)
        self._spare_badges: deque[int] = deque(maxlen=SPARE)
        self._made = 0
        self._weighted: list[tuple[Callable[[Draft], Operation], int]] = [
            (self._update, 28),
            (self._update_several, 5),
            (self._append, 9),
            (self._refill, 4),
            (self._delete, 10),
            (self._move, 7),
            (self._exchange, 6),
            (self._exchange_by_insert, 4),
            (self._reinsert, 5),
            (self._hand_over, 3),
            (self._recase, 5),
            (self._several, 6),
            (self._undo, 4),
            (self._savepoint, 4),
        ]

    def next(self) -> Operation:
        """The next operation; nothing is taken for done before `acknowledge`."""
        makers, weights = zip(*self._weighted, strict=True)
        [maker] = self._dice.choices(makers, weights)
        if len(self._live) < 8:
            maker = self._append if not self._freed else self._refill
        operation: Operation = maker(Draft(self.ledger, self._place))
        return operation

    def touching(self) -> Operation:
        """Writes to the table, waits, and writes again."""
        draft, (one, other) = self._draft(), self._some(2)
        self._change(draft, one)
        self._change(draft, other)
        return draft.done("touch", pause=1)

    def straddling(self) -> Operation:
        """Writes to the journal, waits, and only then touches the table."""
        draft, (one, other) = self._draft(), self._some(2)
        self._made += 1
        number = self._made * self._owners + self._owner
        draft.visit(number, f"on its way to {one} and {other}")
        self._change(draft, one)
        draft.delete(other)
        return draft.done("straddle", pause=1, visit=number)

    def acknowledge(self, changes: Changes) -> None:
        """Committed, the server says."""
        before = {key: self.ledger.get(key) for key in changes}
        self.ledger.acknowledge(changes)
        self._learn(before, changes)

    def settle(self, doubt: Changes, found: Changes) -> Settled:
        """A transaction in doubt whose keys were read."""
        before = {key: self.ledger.get(key) for key in doubt}
        settled = self.ledger.settle(doubt, found)
        self._learn(before, {key: self.ledger.get(key) for key in doubt})
        return settled

    def _learn(self, before: Changes, after: Changes) -> None:
        for key, held in after.items():
            (self._freed if held is None else self._live).add(key)
            (self._live if held is None else self._freed).discard(key)
            if held is not None:
                self._recent.append(key)
        emails = {held.email.lower() for held in after.values() if held is not None}
        badges = {held.badge for held in after.values() if held is not None}
        left = [held for held in before.values() if held is not None]
        self._spare_emails.extend(held.email for held in left if held.email.lower() not in emails)
        self._spare_badges.extend(held.badge for held in left if held.badge not in badges)

    # Picking.

    def _draft(self) -> Draft:
        return Draft(self.ledger, self._place)

    def _some(self, count: int) -> list[int]:
        """Different keys that hold rows; often some that were written to just now."""
        found: dict[int, None] = {}
        while len(found) < count:
            key = self._live.pick(self._dice)
            if self._recent and self._dice.random() < 0.3:
                key = self._dice.choice(self._recent)
            if key in self._live:
                found[key] = None
        return list(found)

    def _one(self) -> int:
        return self._some(1)[0]

    def _new(self) -> Row:
        """A row as it was never seen, sometimes with unique values that a deleted row had."""
        self._made += 1
        made = row(f"{self.ledger.seed}:{self._owner}", self._made)
        email = f"w{self._owner}.{made.email}"
        badge = FIRST_FRESH_BADGE + self._made * self._owners + self._owner
        if self._spare_emails and self._dice.random() < 0.4:
            email = self._spare_emails.popleft().swapcase()
        if self._spare_badges and self._dice.random() < 0.4:
            badge = self._spare_badges.popleft()
        return msgspec.structs.replace(made, email=email, badge=badge)

    def _change(self, draft: Draft, key: int) -> None:
        new = self._new()
        columns = self._dice.sample(UPDATED, self._dice.randint(1, 4))
        if self._dice.random() < 0.15:
            columns.append(self._dice.choice(("email", "badge")))
        draft.update(key, **{column: getattr(new, column) for column in columns})

    # The kinds. Each of the first seven is one statement.

    def _update(self, draft: Draft) -> Operation:
        self._change(draft, self._one())
        return draft.done("update", transaction=False)

    def _update_several(self, draft: Draft) -> Operation:
        draft.add_to_balances(self._some(self._dice.randint(2, 6)), f"{self._dice.randint(1, 9999) / 100:.2f}")
        return draft.done("update several", transaction=False)

    def _delete(self, draft: Draft) -> Operation:
        draft.delete(self._one())
        return draft.done("delete", transaction=False)

    def _refill(self, draft: Draft) -> Operation:
        """A key that was deleted comes back."""
        if not self._freed:
            return self._delete(draft)
        draft.insert(self._freed.pick(self._dice), self._new())
        return draft.done("insert again", transaction=False)

    def _move(self, draft: Draft) -> Operation:
        if not self._freed:
            return self._delete(draft)
        draft.move(self._one(), self._freed.pick(self._dice))
        return draft.done("change key", transaction=False)

    def _recase(self, draft: Draft) -> Operation:
        """The same value to a unique key without case, and other bytes."""
        key = self._one()
        draft.update(key, email=draft.held(key).email.swapcase())
        return draft.done("change case", transaction=False)

    def _append(self, draft: Draft) -> Operation:
        """Its key is known before COMMIT: what becomes of it can be found out."""
        for _ in range(self._dice.randint(1, 3)):
            draft.append(self._new())
        return draft.done("insert")

    def _exchange(self, draft: Draft) -> Operation:
        """Two rows exchange unique values by way of a third one."""
        one, other = self._some(2)
        column = self._dice.choice(("email", "badge"))
        mine, theirs = getattr(draft.held(one), column), getattr(draft.held(other), column)
        draft.update(one, **{column: getattr(self._new(), column)})
        draft.update(other, **{column: mine})
        draft.update(one, **{column: theirs})
        return draft.done("exchange")

    def _exchange_by_insert(self, draft: Draft) -> Operation:
        one, other = self._some(2)
        mine, theirs = draft.held(one), draft.held(other)
        draft.delete(one)
        draft.delete(other)
        draft.insert(one, msgspec.structs.replace(mine, email=theirs.email.swapcase(), badge=theirs.badge))
        draft.insert(other, msgspec.structs.replace(theirs, email=mine.email, badge=mine.badge))
        return draft.done("exchange by insert")

    def _reinsert(self, draft: Draft) -> Operation:
        key = self._one()
        old = draft.held(key)
        draft.delete(key)
        draft.insert(key, old if self._dice.random() < 0.3 else self._new())
        return draft.done("delete and insert")

    def _hand_over(self, draft: Draft) -> Operation:
        """A row takes the value that another one has just given up, in other letters."""
        one, other = self._some(2)
        email, badge = draft.held(one).email, draft.held(one).badge
        new = self._new()
        draft.update(one, email=new.email, badge=new.badge)
        draft.update(other, email=email.swapcase(), badge=badge)
        return draft.done("hand over")

    def _several(self, draft: Draft) -> Operation:
        self._anything(draft, self._dice.randint(2, 6))
        return draft.done("several")

    def _undo(self, draft: Draft) -> Operation:
        self._anything(draft, self._dice.randint(1, 4))
        return draft.done("roll back", commits=False)

    def _savepoint(self, draft: Draft) -> Operation:
        self._anything(draft, 1)
        draft.savepoint("here")
        self._anything(draft, self._dice.randint(1, 3))
        draft.rollback_to("here")
        self._anything(draft, 1)
        return draft.done("savepoint")

    def _anything(self, draft: Draft, count: int) -> None:
        """Changes, deletions and insertions; a key may come up twice in one transaction."""
        for _ in range(count):
            key = self._freed.pick(self._dice) if self._freed and self._dice.random() < 0.15 else self._one()
            if draft.get(key) is None:
                draft.insert(key, self._new())
            elif self._dice.random() < 0.15:
                draft.delete(key)
            else:
                self._change(draft, key)

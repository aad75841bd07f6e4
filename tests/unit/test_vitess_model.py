"""The engine's rules, run against a model of server and binlog: with all of them nothing is lost, without one it is."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.vitess_model import World
from tests.unit.vitess_pieces import Loss
from tests.unit.vitess_rules import Rule

SEEDS = 10_000
ENOUGH = 30_000
"""Seeds within which the loss must show when a rule is taken out."""


@pytest.mark.timeout(300)
@settings(max_examples=SEEDS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**63))
def test_no_row_is_lost_doubled_or_stale(seed: int) -> None:
    World(random.Random(seed)).run()


@pytest.mark.parametrize("rule", list(Rule), ids=lambda rule: rule.name.lower())
def test_without_a_rule_the_model_finds_the_loss(rule: Rule) -> None:
    for seed in range(ENOUGH):
        try:
            World(random.Random(seed), without=rule).run()
        except Loss:
            return
    pytest.fail(f"nothing was lost without this rule in {ENOUGH} runs: {rule}")

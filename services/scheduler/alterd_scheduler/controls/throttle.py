"""What users throttle: the throttler's doing, told here for the audit."""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import RuleChanged
from alterd_contracts.requests import Command
from alterd_scheduler.controls.effect import told
from alterd_scheduler.decisions import Decision
from alterd_scheduler.facts import Moment


def decide_rule(rule: RuleChanged, moment: Moment) -> Decision:
    """No record changes: the throttler judges by its rules."""
    if rule.command is Command.THROTTLE:
        text = f"throttled, ratio {rule.ratio:g}, for {rule.expire_seconds} s"
        return Decision(told=told(rule, Fact.USER_THROTTLED, moment, text))
    return Decision(told=told(rule, Fact.USER_UNTHROTTLED, moment, "no longer throttled"))

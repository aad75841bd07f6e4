"""A user's commands: their effect in each state. Pure.

* `deciding`   which rows a command names, and the answer
* `effect`     what an effect is
* one file per command, or pair of commands that undo each other
"""

from alterd_scheduler.controls.deciding import decide_control
from alterd_scheduler.controls.retry import retried
from alterd_scheduler.controls.throttle import decide_rule

__all__ = ["decide_control", "decide_rule", "retried"]

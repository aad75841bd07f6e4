"""ddl_strategy as users write it, read without a server: ``vitess --cut-over-threshold=15s``. Pure.

* `setting`    a strategy's name, and words behind it
* `options`    these words against what the strategy declares; also those of a record
* `durations`  the values of some
* `offered`    what living executors declare
"""

from alterd_runtime.ddl_strategy.offered import offered
from alterd_runtime.ddl_strategy.options import Options, check_options, options_of, zero_dates_allowed
from alterd_runtime.ddl_strategy.setting import Option, StrategySetting, parse_ddl_strategy

__all__ = [
    "Option",
    "Options",
    "StrategySetting",
    "check_options",
    "offered",
    "options_of",
    "parse_ddl_strategy",
    "zero_dates_allowed",
]

"""Metrics every service shares. Labels are bounded: never a table or a statement; a migration's uuid only on gauges of
a running one, which are removed when its run ends.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Info

BUILD = Info("alterd_build", "Version of alterd and of Python.")
NATS_RECONNECTS = Counter("alterd_nats_reconnects_total", "Reconnections to NATS.")
PUBLISHED = Counter("alterd_messages_published_total", "Messages stored in a stream.", ["type"])

INPUTS = Counter("alterd_inputs_total", "Inputs decided by the scheduler.", ["type", "result"])
STEP_SECONDS = Histogram(
    "alterd_scheduler_step_seconds",
    "From reading an input to its records and events being stored.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
LEADING = Gauge("alterd_scheduler_leading", "1 while this instance leads.")
MIGRATIONS = Gauge("alterd_migrations", "Open shard migrations.", ["state"])

RUNS = Gauge("alterd_executor_runs", "Attempts in this executor's hands.")
SLOTS = Gauge("alterd_executor_slots", "Attempts this executor takes at once.")
REPORTS = Counter("alterd_reports_total", "Reports of attempts.", ["type"])
CHECKS = Counter("alterd_checks_total", "Scripts tried on empty copies.", ["result"])
_RUNNING = ["keyspace", "shard", "migration_uuid"]
MIGRATION_PROGRESS = Gauge("alterd_migration_progress_ratio", "How far a running migration is, 0 to 1.", _RUNNING)
MIGRATION_ROWS_COPIED = Gauge("alterd_migration_rows_copied", "Rows copied by this try.", _RUNNING)
MIGRATION_TABLE_ROWS = Gauge("alterd_migration_table_rows", "Estimated rows of the table, 0 unknown.", _RUNNING)
MIGRATION_LAG = Gauge("alterd_migration_lag_seconds", "How far the run is behind the table's writes.", _RUNNING)
MIGRATION_KEYS_WAITING = Gauge("alterd_migration_keys_waiting", "Keys still to be applied.", _RUNNING)
MIGRATION_CUTOVER_ATTEMPTS = Gauge("alterd_migration_cutover_attempts", "Attempts to cut over in this try.", _RUNNING)
MIGRATION_THROTTLED = Gauge("alterd_migration_throttled", "1 while the run waits for the throttler.", _RUNNING)
MIGRATION_ETA = Gauge("alterd_migration_eta_seconds", "Estimated time to the end, -1 unknown.", _RUNNING)
MIGRATION_PHASE = Gauge("alterd_migration_phase", "1 for the phase the run is in.", [*_RUNNING, "phase"])
ROWS_REPAIRED = Counter(
    "alterd_checksum_rows_repaired_total", "Rows that a checksum found different and wrote anew.", ["keyspace", "shard"]
)
COLLECTED = Counter("alterd_artifacts_collected_total", "Artifacts dropped after their retention.")

REQUESTS = Counter("alterd_requests_total", "Requests taken by intake.", ["result"])

LAG_SECONDS = Gauge("alterd_replication_lag_seconds", "Replica lag by heartbeat.", ["keyspace", "shard", "server"])
THROTTLED = Gauge("alterd_throttled", "1 while the shard's verdict is wait.", ["keyspace", "shard"])

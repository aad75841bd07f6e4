"""What every service stands on: settings, the bus, leases, logs, metrics, health, MySQL access."""

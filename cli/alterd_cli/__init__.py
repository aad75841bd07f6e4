"""The command line: reaches services over NATS only."""

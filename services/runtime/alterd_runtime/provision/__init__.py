"""Real servers for the sandbox, the embedded mode and the tests: nats-server and mysqld as processes of ours.

Everything binds to 127.0.0.1. Import from the modules: each holds one noun.
"""

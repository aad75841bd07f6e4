"""Real servers for the sandbox, the embedded mode and the tests."""

"""The executor: takes attempts, runs each in a process of its own, and tends what they leave behind."""

"""Strategies that send the user's statement as it is, and the runner of CREATE and DROP for all managed ones."""

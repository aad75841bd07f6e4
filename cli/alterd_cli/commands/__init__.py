"""One command, or group of commands, per file.

A command's function imports what it needs when it runs: ``alterd --help`` loads none of it.
"""

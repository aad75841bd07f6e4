"""Schemas, ALTERs and writers made by hypothesis, run as cases: ``python -m tests.stress --minutes 60 --seed 1``.

* `tables`  what a table may look like, and what an ALTER may make of it without losing a value
* `writes`  what three sessions do to it meanwhile
* `drawing` cases of a seed, the same ones each time
"""

"""The conformance kit on real servers: over all strategies, and over some that lie."""

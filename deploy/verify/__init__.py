"""The conformance suite: judges a running deployment from outside, by the protocol page alone."""

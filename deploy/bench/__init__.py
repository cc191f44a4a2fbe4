"""The load generator: measures a running deployment from outside, and the floor beside it."""

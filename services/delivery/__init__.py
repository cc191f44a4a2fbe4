"""Delivery: applies the log to the database, exactly once and in order, and tells everyone what came of it."""

"""The wire protocol's frames and close codes as values: what a client may send, and what it is sent."""

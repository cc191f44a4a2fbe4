"""The broker, as the services see it: the only package that touches nats-py."""

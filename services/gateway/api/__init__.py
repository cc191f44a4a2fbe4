"""The HTTP interface: endpoints by noun, each error a problem document."""

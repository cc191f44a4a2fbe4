"""From a client's request to a command in the log, and from delivery's answer back to whoever asked."""

"""`parley doctor`: looks at all that a system needs, and says for each thing what was seen and what to do."""

from deploy.cli.doctor.command import add

__all__ = ["add"]

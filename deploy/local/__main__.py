"""`python -m deploy.local`: the whole system on this machine, behind `make run` and `parley up`."""

import asyncio
import os
import sys

from deploy.local.launcher import up
from deploy.local.settings import Settings
from shared.broker.streams import StreamSettings
from shared.runtime import logs
from shared.runtime.settings import SettingsError, from_env


def main() -> int:
    """Run the system until a signal; return the exit code."""
    try:
        settings = from_env(Settings, os.environ)
        streams = from_env(StreamSettings, os.environ)
    except SettingsError as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    logs.configure("launcher", json=settings.log_format == "json", level="error")
    return asyncio.run(up(settings, streams, os.environ))


if __name__ == "__main__":
    sys.exit(main())

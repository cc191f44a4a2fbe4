"""`python -m deploy.verify`: the smoke suite against a running deployment."""

import sys

from deploy.verify.smoke import main

sys.exit(main())

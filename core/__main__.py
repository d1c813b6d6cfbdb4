"""``python -m core``: see `core.shell.main`."""

import sys

from core.shell.main import main

sys.exit(main())

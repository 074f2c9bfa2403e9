"""`python -m monostack` is `monostack`."""

import sys

from monostack.cli import main

sys.exit(main())

"""`python -m idiolect`, which is how `torchrun -m idiolect` starts each process."""

import sys

from idiolect.cli import main

sys.exit(main())

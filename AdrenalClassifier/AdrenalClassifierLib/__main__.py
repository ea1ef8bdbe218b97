"""``python -m AdrenalClassifierLib``: the command line where its program is not on the path, and for ``torchrun -m``."""

import sys

from AdrenalClassifierLib.commands import main

if __name__ == "__main__":
    sys.exit(main())

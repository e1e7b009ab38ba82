"""``python -m psc`` is the command ``psc``."""

import sys

from psc.cli.search_path import trusted

sys.path[:] = trusted()

from psc.cli.app import main  # noqa: E402

main()

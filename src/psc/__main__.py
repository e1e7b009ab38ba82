"""``python -m psc`` is the command ``psc``."""

from psc.cli import main

main()

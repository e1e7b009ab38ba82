"""``python -m psc`` is the command ``psc``."""

from psc.cli.app import main

main()

"""Where Python looks for modules: never in the current folder, among pictures that may come from anywhere.

``python -m psc`` puts that folder first, and so would our own processes: a numpy.py or json.py beside the
pictures would run. Only os and sys are imported here, which Python has loaded by then.
"""

import os
import sys


def trusted() -> list[str]:
    """``sys.path`` without the current folder, unless psc itself lies there: a checkout."""
    here = os.path.realpath(os.curdir)
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
    home = os.path.dirname(package)  # noqa: PTH120
    return [entry for entry in sys.path if here == home or os.path.realpath(entry) != here]

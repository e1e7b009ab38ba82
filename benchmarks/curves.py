"""Where benchmarks.targets still looks for BD-rates, which are psc.evaluate.bd's."""

from benchmarks.crops import Curve
from psc.evaluate.bd import bd_rate

__all__ = ["Curve", "bd_rate"]

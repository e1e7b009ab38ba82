"""From numbers to bits: quantisers, symbol models, the range coder and the container (FORMAT.md)."""

"""The prior inside the package: an integer network, its weights, exact evaluation."""

"""The state that encoder and decoder both rebuild, its two sides, and pictures from it."""

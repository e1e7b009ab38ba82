"""Pictures in and out: modes, pixels, metadata, the map of uncertainty."""

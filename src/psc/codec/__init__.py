"""A picture to bytes and back."""

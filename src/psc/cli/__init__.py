"""The command psc."""

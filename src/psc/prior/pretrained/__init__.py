"""Public diffusion models as priors: adapters, model cards, weights."""

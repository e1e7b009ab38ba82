"""What is measured in which order: plans, presets, noise levels. Nothing here loads PyTorch."""

"""PSC: posterior sampling-based compression of pictures with a pre-trained diffusion model.

The names in ``__init__.pyi`` are imported when they are first used: importing the package does not load
PyTorch.
"""

import lazy_loader

__version__ = "0.2.0.dev0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

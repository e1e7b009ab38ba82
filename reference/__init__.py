"""A second decoder of .psc files, written from FORMAT.md alone: NumPy and the standard library, plain, slow.

It shares no code with ``src/psc`` and is there to hold FORMAT.md, and the program, against. One module is
one subject and its docstrings name the sections of FORMAT.md; numbers that a later version of the format
may change stand together in ``constants``. Left out: latents (section 15), priors with conditions, the
decoding of alpha (section 17) and the restorations that the format does not describe.

``python -m reference FILE.psc OUT.png`` decodes a file.
"""

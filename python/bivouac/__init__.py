"""Bivouac: datasets of fog-of-war strategy games for reinforcement learning.

`bivouac.data` reads datasets with numpy, `bivouac.torch` hands them to PyTorch.
"""

__version__ = "0.1.0"

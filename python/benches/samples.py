"""Steps per second from a dataset to PyTorch tensors on the CPU: `python samples.py FOLDER`."""

import sys
import time

import torch
from torch.utils.data import DataLoader

from bivouac.torch import WindowStream, decode

torch.set_num_threads(1)
for name, layout in [("durbin9, dense in numpy", "durbin9"), ("compact", None)]:
    stream = WindowStream(sys.argv[1], 32, layout=layout, seed=1)
    steps, since = 0, time.perf_counter()
    for batch in DataLoader(stream, batch_size=16):
        steps += int(batch["valid"].sum())
    print(f"{name}: {steps / (time.perf_counter() - since):,.0f} steps/s ({steps} steps)")
form = stream.stream.windows.data.format
steps, since = 0, time.perf_counter()
for batch in DataLoader(stream, batch_size=16):
    steps += int(batch["valid"].sum())
    decode(batch, form)
print(f"compact, made dense in torch: {steps / (time.perf_counter() - since):,.0f} steps/s")

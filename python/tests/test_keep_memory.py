"""`keep_memory`: freed memory of messages stays with the process."""

import platform
import subprocess
import sys

import pytest

CHILD = """
import bivouac, resource
assert bivouac.keep_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def use():
    blocks = [bytearray(2 << 20) for _ in range(8)]
    for block in blocks:
        block[::4096] = bytes(len(block[::4096]))

use()
before = faults()
for _ in range(20):
    use()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_was_freed_is_used_again_without_asking_the_system():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Blocks that were given back would fault on each of their 81,920 pages again.
    assert int(done.stdout) < 8_192

"""Whether an image is weighted by T1: a small network of its own that looks at the whole head in coarse cells.

It learns from simulated heads alone, whose tissues are painted over in other orders of brightness, so that every real
scan is one that it never saw.
"""

"""HDF5 files from strangers, read in Python alone.

The C library that h5py wraps trusts what a file says of itself: of 10,000 weights files with a few
bytes changed it crashed on some and never came back from others, and no check before it helps. So
files are written with h5py and read here: what h5py and Keras write by default, nothing else.

source     file      bytes at an address, each read checked against the file's length
headers    objects   the messages of an object: shape, type, layout, filters, attributes
types      numbers   dtype and shape of an array
links      groups    the names in a group, of the older and the newer form
datasets   arrays    values, contiguous or in chunks
tree       all       the whole file as groups and datasets: `open_hdf5`

Rules, each with a ValueError that names the file:
- one file: no soft or external links, no external storage, no virtual datasets, no user block;
- a tree: an object with two names, a loop or a group in itself is refused;
- the whole file is there: it is as long as it says, and no block lies outside;
- values are backed by bytes: an array holds at most MAX_EXPANSION times what is stored (or
  MIN_ALLOWED bytes), its chunks unpack to the size they must have and no byte more;
- gzip, shuffle and fletcher32 are the filters; whole numbers and floats are the values, texts in
  attributes too; anything else is refused when it is asked for;
- blocks that overlap would be read again and again: all structure together may cost no more than
  reading the file some times over, and links go no deeper than MAX_DEPTH.

source    HDF5 File Format Specification, version 3.0
"""

from scratchnet.saving.hdf5.datasets import Dataset
from scratchnet.saving.hdf5.tree import Group, dataset, open_hdf5

__all__ = ["Dataset", "Group", "dataset", "open_hdf5"]

"""`prange`: a loop whose iterations may run in any order. Plain Python has one thread, so here it is `range`."""

prange = range

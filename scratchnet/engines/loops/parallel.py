"""`prange`: a loop whose iterations may run in any order. Plain Python runs them one by one."""

prange = range

"""`scratchnet race`: who trains and predicts faster, measured so that the answer can be believed.

Every contestant has a process of its own and waits while another one runs: one epoch of A, one of
B, one of A ... A busy moment of the machine then falls on neighbours, and the ratio of each round
is little touched by it. Before anything is timed, each contestant must show the losses that the
reference shows (agreement.py).

contestants   who can race, what each one needs, and why one is refused
process       the parent's end of a contestant: ask, wait, stop
contestant    the child's end: `python -m keras_ref.race.contestant`
side          what a contestant must be able to do; *_side.py are the four kinds
referee       the order of everything: `run(Settings(...))` gives the result as a dict
strangers     four more networks, which no tutorial has
measure       statistics, and what the machine is
plot          the picture
headline      the README's table, from the JSON of a result
"""

"""Files that change hands between two processes, one with Keras and one without.

networks   what is exchanged: the six networks, and others that have every layer and every optimizer
side       one process: trains, saves and goes on, or loads and goes on
refused    models of Keras that have something that ScratchNet does not have
"""

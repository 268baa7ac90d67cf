"""What an export lets other processes do: make Keras's formats and int8, and answer with each runtime alone.

Enters: paths on a command line. Leaves: files. Does not know: bundles, runs. Nothing imports these modules; children.py
runs them.
"""

"""One function per verb: plain arguments in, a frozen report out.

The command line and Python callers use the same functions; nothing here prints.
"""

"""A bundle in other formats, each of which gives the bundle's answers through its own runtime or is not written.

Enters: a `Bundle` and the names of formats. Leaves: a folder for each. Does not know: training, terminals.
"""

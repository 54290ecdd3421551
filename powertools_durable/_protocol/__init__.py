"""The words of the wire: records, updates, the lifecycle table, limits. Pure data, no I/O.

Client and service meet here and nowhere else: the engine, the simulator and the local runner all read the
same tables.
"""

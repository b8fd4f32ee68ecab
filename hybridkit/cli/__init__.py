"""The command `hybridkit`: a module a group of commands, each handler from arguments to a `CommandResult`.

It may import everything. Start at `main`.
"""

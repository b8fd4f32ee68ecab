"""The command `hybridkit`: a module a group of commands, each handler from arguments to a `CommandResult`.

It may import everything. Start at `commands`; `main` is the entry point that is installed.
"""

from hybridkit.cli.commands import main as main

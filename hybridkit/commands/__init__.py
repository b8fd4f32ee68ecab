"""What each command of `hybridkit` does: one file a group of commands, each handler from arguments to what is told."""

"""One module a command, each imported only when that command is called."""

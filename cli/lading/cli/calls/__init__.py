"""The words of a call: the table of commands, their options, how they are read."""

"""One file for each command, and what the commands share."""

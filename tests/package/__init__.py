"""What is run against the installed wheel."""

"""The front door: the command line and the pytest plugin over everything else."""

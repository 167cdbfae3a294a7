"""Tables of a project: read, profiled, queried and drawn, in a process that can do nothing else."""

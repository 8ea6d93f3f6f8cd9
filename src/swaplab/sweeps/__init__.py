"""Many runs from one command: jobs, the slots they run in, the processes that do the work, and the table of it."""

"""What is true after SIGKILL at any named point of a command? `python -m tests.crash --help`."""

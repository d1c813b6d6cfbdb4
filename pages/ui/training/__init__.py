"""The parts of Train and Runs."""

"""The parts of Evaluate, Map and Errors."""

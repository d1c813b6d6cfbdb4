"""The parts of the page Products, and of finding a lens."""

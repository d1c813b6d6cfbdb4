"""The parts of the Overview and of Settings."""

"""The parts of Augment and Balance."""

"""The parts of the pages of the collection."""

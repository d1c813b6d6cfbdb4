"""Marks drawn by our own code: the sample workspace, and what the untrained encoder's head is fitted on."""

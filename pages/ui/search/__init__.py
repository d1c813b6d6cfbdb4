"""The parts of Identify."""

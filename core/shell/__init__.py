"""The shell: python -m core COMMAND."""

"""The catalogue: rows, transactions, the journal with undo, and the moves of files that follow it."""

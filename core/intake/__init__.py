"""The way in and out: files, folders and archives to originals, and exports."""

"""What everything stands on: errors, settings, paths, image files, what the model sees, background work."""

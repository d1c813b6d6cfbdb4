"""The answer: ranked classes and a calibrated verdict."""

"""Guide: how to do each thing, one section a task."""

from pages.ui import guide

guide.section()

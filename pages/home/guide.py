"""Guide: how to do each thing, one section a task."""

from pages.ui.home import guide

guide.section()

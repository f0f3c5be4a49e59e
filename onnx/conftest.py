"""Puts this folder, where `caesar_models` is, on the path of its tests."""

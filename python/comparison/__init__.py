"""Ballast held against PyTorch: recipes, adapters, accuracy, and steps that are called otherwise."""

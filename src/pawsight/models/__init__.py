"""Recipes, pretrained backbones, the exercise's networks, and the graphs that are made of them."""

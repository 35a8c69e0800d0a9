"""Tests: one package per package of the project, and the laws that hold for all of them."""

"""Tests of the contract rows and of what they emit."""

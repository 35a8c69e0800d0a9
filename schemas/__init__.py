"""The contract as rows, and the JSON Schemas that the rows emit; imports nothing else of this project."""

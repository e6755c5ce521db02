"""Evaluation: from a run record to its predictions on every split. Light: `predict` imports the framework."""

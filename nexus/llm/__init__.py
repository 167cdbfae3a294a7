"""Language models: naming, providers, the journalled wrapper and the offline model."""

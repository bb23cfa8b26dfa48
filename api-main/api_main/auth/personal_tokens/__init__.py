"""`/api/v1/tokens`: named tokens with which programs act for their owner."""
